import { mock } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { AppError } from '../../src/errors.js'
import {
  Link,
  maxAnswerBytes,
  timeForAsked,
  type Context,
  type Handlers,
  type LinkOptions
} from '../../src/link/link.js'
import { memoryPair, type Transport } from '../../src/link/transport.js'
import { until } from '../support/until.js'
import { countListeners } from '../support/listeners.js'

const patient = { timeoutMs: 20_000 }

/** Two links that talk to each other. */
function pair(handlers: Handlers, ours: Handlers = {}, options: LinkOptions = {}): [Link, Link] {
  const [a, b] = memoryPair()
  return [new Link(a, ours), new Link(b, handlers, options)]
}

/** A link and the bare other end, to say and hear frames. */
function bare(handlers: Handlers = {}, options: LinkOptions = {}) {
  const [a, b] = memoryPair()
  const frames: any[] = []
  b.receive({ message: text => frames.push(JSON.parse(text)), closed: () => {} })
  return {
    link: new Link(a, handlers, options),
    far: b,
    frames,
    say: (frame: unknown) => b.send(JSON.stringify(frame))
  }
}

/** How often a promise settles: what it did, and never again. */
function settling(promise: Promise<unknown>) {
  const outcomes: unknown[] = []
  promise.then(
    value => outcomes.push(value),
    error => outcomes.push(error.code)
  )
  return outcomes
}

await t.test('a question is answered with what the handler returns, at once or later', async t => {
  const [link] = pair({
    now: n => n + 1,
    later: async n => {
      await sleep(1)
      return { n }
    },
    nothing: () => {}
  })
  t.equal(await link.ask('now', 1, patient), 2)
  t.same(await link.ask('later', 1, patient), { n: 1 })
  t.equal(await link.ask('nothing', undefined, patient), undefined)
})

await t.test('questions overtake each other and each gets its own answer', async t => {
  const [link] = pair({
    wait: async ms => {
      await sleep(ms)
      return ms
    }
  })
  const times = [30, 1, 20, 5, 10]
  t.same(await Promise.all(times.map(ms => link.ask('wait', ms, patient))), times)
})

await t.test('what is foreseen comes with its code, what is not as internal and to the log', async t => {
  const errors: unknown[] = []
  const [link] = pair(
    {
      forbidden: () => {
        throw new AppError('forbidden', 'not you')
      },
      broken: () => {
        throw new TypeError('x is not a function')
      },
      text: async () => {
        // eslint-disable-next-line no-throw-literal -- what is thrown need not be an error
        throw 'a text'
      },
      circular: () => {
        const a: any = {}
        a.a = a
        return a
      },
      bigint: () => 1n
    },
    {},
    { onError: error => errors.push(error) }
  )
  await t.rejects(link.ask('forbidden', {}, patient), { code: 'forbidden', message: 'not you' })
  t.same(errors, [])
  await t.rejects(link.ask('broken', {}, patient), { code: 'internal', message: 'x is not a function' })
  await t.rejects(link.ask('text', {}, patient), { code: 'internal', message: 'a text' })
  await t.rejects(link.ask('circular', {}, patient), { code: 'internal' })
  await t.rejects(link.ask('bigint', {}, patient), { code: 'internal' })
  t.equal(errors.length, 4)
})

await t.test('a method that is not there is not found, whatever objects inherit', async t => {
  const errors: unknown[] = []
  const [link] = pair({ known: () => 1 }, {}, { onError: error => errors.push(error) })
  for (const method of ['unknown', '', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    await t.rejects(link.ask(method, {}, patient), { code: 'not_found' }, method)
    link.notify(method)
  }
  t.equal(await link.ask('known', {}, patient), 1)
  t.same(errors, [])
})

await t.test('a question times out once, and its late answer changes nothing', async t => {
  let release = () => {}
  const [link] = pair({
    slow: () =>
      new Promise<void>(resolve => {
        release = resolve
      })
  })
  const outcomes = settling(link.ask('slow', {}, { timeoutMs: 20 }))
  await until(() => outcomes.length, 'it has timed out')
  release()
  t.equal(await link.ask('slow', {}, { timeoutMs: 20 }).catch(error => error.code), 'timeout')
  t.same(outcomes, ['timeout'])
})

await t.test('the asked hears that a question has timed out, and its late answer is told apart, once', async t => {
  const { link, frames, say } = bare()
  const late: unknown[] = []
  const outcomes = settling(link.ask('slow', {}, { timeoutMs: 20, late: answer => late.push(answer) }))
  await until(() => frames.length === 2, 'it has been given up')
  t.same(frames[1], { cancel: 1 })
  const next = link.ask('next', {}, patient)
  for (const frame of [
    { answer: 1, result: 'a' },
    { answer: 1, result: 'b' },
    { answer: 2, result: 'c' }
  ]) {
    say(frame)
  }
  t.equal(await next, 'c')
  t.same([outcomes, late], [['timeout'], [{ result: 'a' }]])
})

await t.test('what is still asked is given up when a link is closed, by us or for silence', async t => {
  for (const heartbeatMs of [0, 5]) {
    const { link, frames } = bare({}, { heartbeatMs })
    const outcomes = settling(link.ask('x', {}, patient))
    if (heartbeatMs === 0) await link.close('enough')
    await until(() => outcomes.length, 'it is settled')
    await until(() => frames.some(frame => 'cancel' in frame), 'the asked has heard of it')
    t.same(
      frames.filter(frame => !('ping' in frame)),
      [{ ask: 1, method: 'x', params: {}, timeout: 19_000 }, { cancel: 1 }]
    )
  }
})

await t.test('a second answer to the same question is dropped', async t => {
  const { link, frames, say } = bare()
  const outcomes = settling(link.ask('once', {}, patient))
  await until(() => frames.length, 'it was asked')
  for (const frame of [
    { answer: 1, result: 'a' },
    { answer: 1, result: 'b' },
    { answer: 1, error: { code: 'internal', message: 'c' } },
    { answer: 99, result: 'd' }
  ]) {
    say(frame)
  }
  await until(() => outcomes.length, 'it was answered')
  await sleep(5)
  t.same(outcomes, ['a'])
})

await t.test('the asked gets less time than the asker waits, and never none', async t => {
  t.same([1, 10, 1000, 5000, 120_000].map(timeForAsked), [1, 9, 900, 4500, 119_000])
  const { link, frames } = bare()
  link.ask('x', { a: 1 }, { timeoutMs: 1000 }).catch(() => {})
  await until(() => frames.length, 'it was asked')
  t.same(frames, [{ ask: 1, method: 'x', params: { a: 1 }, timeout: 900 }])
  await link.close('enough')
})

await t.test('the signal of the asked aborts before the asker gives up', async t => {
  // Of a machine that stands still for the time between the two, both timers are late.
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let ask = () => {}
  const asked = new Promise<void>(resolve => {
    ask = resolve
  })
  const [link] = pair({
    wait: (_, { signal }: Context) =>
      new Promise(resolve => {
        ask()
        signal.addEventListener('abort', () => resolve('what I have'))
      })
  })
  const outcomes = settling(link.ask('wait', {}, { timeoutMs: 1000 }))
  await asked
  mock.timers.tick(899)
  await setImmediate()
  t.same(outcomes, [])
  mock.timers.tick(1)
  while (outcomes.length === 0) await setImmediate()
  t.same(outcomes, ['what I have'])
})

await t.test('a question that is given up is unavailable at once, and the asked hears of it', async t => {
  let aborted = false
  let asked = false
  const [link] = pair({
    wait: (_, { signal }: Context) =>
      new Promise<void>(resolve => {
        asked = true
        signal.addEventListener('abort', () => {
          aborted = true
          resolve()
        })
      })
  })
  const abort = new AbortController()
  const outcomes = settling(link.ask('wait', {}, { ...patient, signal: abort.signal }))
  await until(() => asked, 'it was asked')
  abort.abort()
  await until(() => aborted, 'the asked has heard')
  t.same(outcomes, ['unavailable'])
})

await t.test('a question that was given up before is never asked', async t => {
  const { link, frames } = bare()
  await t.rejects(link.ask('x', {}, { ...patient, signal: AbortSignal.abort() }), { code: 'unavailable' })
  await sleep(5)
  t.same(
    frames.filter(frame => 'ask' in frame),
    []
  )
})

await t.test('an answered question leaves no listener at its signal', async t => {
  const abort = new AbortController()
  const listeners = countListeners(abort.signal)
  const [link] = pair({ x: () => 1 })
  await link.ask('x', {}, { ...patient, signal: abort.signal })
  t.equal(listeners(), 0)
})

await t.test('the end of a link settles every question at both ends and aborts what is served', async t => {
  let aborted = 0
  const hang: Handlers = {
    hang: (_, { signal }: Context) =>
      new Promise<void>(resolve =>
        signal.addEventListener('abort', () => {
          aborted++
          resolve()
        })
      )
  }
  const [a, b] = pair(hang, hang)
  const outcomes = [a.ask('hang', {}, patient), a.ask('hang', {}, patient), b.ask('hang', {}, patient)].map(settling)
  await sleep(10)
  await a.close('enough')
  await until(() => b.closed.aborted, 'the other end knows')
  await sleep(1)
  t.same(outcomes, [['unavailable'], ['unavailable'], ['unavailable']])
  t.equal(aborted, 3)
  t.equal(a.closed.reason, 'enough')
  await t.rejects(a.ask('hang', {}, patient), { code: 'unavailable', message: 'the link is closed: enough' })
  a.notify('hang')
})

await t.test('notifications arrive in order, and one that fails does not stop the next', async t => {
  const heard: number[] = []
  const errors: unknown[] = []
  const [link] = pair(
    {
      count: n => {
        heard.push(n)
        if (n % 2) throw new Error('odd')
      }
    },
    {},
    { onError: error => errors.push(error) }
  )
  for (let n = 0; n < 100; n++) link.notify('count', n)
  await until(() => heard.length === 100, 'all were heard')
  t.same(
    heard,
    Array.from({ length: 100 }, (_, n) => n)
  )
  t.equal(errors.length, 50)
})

await t.test('a notification is heard before the answer to a question that was asked after it', async t => {
  const heard: string[] = []
  const [link] = pair({
    note: n => {
      heard.push(n)
    },
    read: () => [...heard]
  })
  link.notify('note', 'a')
  link.notify('note', 'b')
  t.same(await link.ask('read', {}, patient), ['a', 'b'])
})

await t.test('a frame that is none ends its link, with a line that says why', async t => {
  const texts = ['', '{', 'hello', '\u0000', 'null', '[]', '{}']
  const frames = [
    { answer: null, error: 5 },
    { answer: 7, error: { code: 5, message: 'x' } },
    { answer: 7, result: 1, error: { code: 'internal', message: 'x' } },
    { cancel: 'x' },
    { notify: 5 },
    { notify: 'x'.repeat(65) },
    { ping: 1 },
    { pong: true },
    { ping: true, more: 1 },
    { ask: 1 },
    { ask: 2, method: {}, timeout: 100 },
    { ask: 3, method: 'hello', timeout: 0 },
    { ask: 4, method: 'hello', timeout: 1e300 },
    { ask: -1, method: 'hello', timeout: 100 }
  ]
  for (const text of [...texts, ...frames.map(frame => JSON.stringify(frame))]) {
    const errors: string[] = []
    let calls = 0
    const { link, far } = bare({ hello: () => calls++ }, { onError: error => errors.push((error as Error).message) })
    far.send(text)
    await until(() => link.closed.aborted, `${text} ends it`)
    t.equal(calls, 0)
    t.same(errors, [`not a frame: ${JSON.stringify(text.slice(0, 80))}`])
    t.equal(link.closed.reason, errors[0])
  }
})

await t.test('what nobody waits for does no harm', async t => {
  const { link, frames, say } = bare({ hello: () => 'here' })
  for (const frame of [{ answer: 7 }, { part: 7, value: 1 }, { cancel: 12 }, { notify: 'nothing' }]) say(frame)
  say({ ask: 5, method: 'hello', timeout: 1000 })
  await until(() => frames.length, 'it answers')
  t.same(frames, [{ answer: 5, result: 'here' }])
  t.notOk(link.closed.aborted)
})

await t.test('an error with a code that we do not know is internal', async t => {
  const { link, frames, say } = bare()
  const outcomes = settling(link.ask('x', {}, patient))
  await until(() => frames.length, 'it was asked')
  say({ answer: 1, error: { code: 'made_up', message: 'what' } })
  await until(() => outcomes.length, 'it was answered')
  t.same(outcomes, ['internal'])
})

await t.test('a silent peer closes the link', async t => {
  const { link } = bare({}, { heartbeatMs: 5 })
  const outcomes = settling(link.ask('x', {}, patient))
  await until(() => link.closed.aborted, 'the link is closed')
  t.equal(link.closed.reason, 'heartbeat missed')
  await until(() => outcomes.length, 'the question is settled')
  t.same(outcomes, ['unavailable'])
})

await t.test('a peer that only beats keeps the link', async t => {
  const [a, b] = memoryPair()
  let beats = 0
  const counting: Transport = {
    send: text => {
      beats++
      b.send(text)
    },
    close: reason => b.close(reason),
    receive: receiver => b.receive(receiver)
  }
  const links = [new Link(a, {}, { heartbeatMs: 20 }), new Link(counting, {}, { heartbeatMs: 20 })]
  t.teardown(() => Promise.all(links.map(link => link.close('end'))))
  await until(() => beats >= 12, 'it has beaten often')
  t.notOk(links.some(link => link.closed.aborted))
})

await t.test('a closed link beats no more', async t => {
  const { link, frames } = bare({}, { heartbeatMs: 5 })
  await until(() => frames.length > 0, 'it beats')
  await link.close('enough')
  const before = frames.length
  await sleep(30)
  t.ok(frames.length <= before + 1)
})

await t.test('parts of an answer come in order, before it', async t => {
  const [link] = pair({
    count: (n: number, { part }: Context) => {
      for (let i = 0; i < n; i++) part(i)
      return 'done'
    }
  })
  const heard: unknown[] = []
  t.equal(await link.ask('count', 3, { ...patient, onPart: value => heard.push(value) }), 'done')
  t.same(heard, [0, 1, 2])
  t.equal(await link.ask('count', 3, patient), 'done', 'whoever does not ask for them hears none')
})

await t.test('parts of a question that was given up, or answered, are lost', async t => {
  let say: Context['part'] = () => {}
  let give = () => {}
  const given = new Promise<void>(resolve => {
    give = resolve
  })
  const [link, far] = pair({
    slow: (_params: unknown, { part, signal }: Context) =>
      new Promise(resolve => {
        say = part
        signal.addEventListener('abort', () => {
          resolve('late')
          give()
        })
      }),
    quick: (_params: unknown, { part }: Context) => {
      say = part
    }
  })
  const heard: unknown[] = []
  const leaving = new AbortController()
  const asked = settling(
    link.ask(
      'slow',
      {},
      {
        ...patient,
        signal: leaving.signal,
        onPart: value => {
          heard.push(value)
          leaving.abort()
        }
      }
    )
  )
  await until(() => {
    say('first')
    return heard.length > 0
  }, 'a part has come')
  await until(() => asked.length > 0, 'it is given up')
  t.same(asked, ['unavailable'])
  const before = heard.length
  say('second')
  await given
  await link.ask('quick', {}, { ...patient, onPart: value => heard.push(value) })
  say('after the answer')
  await far.ask('nothing', {}, patient).catch(() => {})
  t.equal(heard.length, before)
})

await t.test('a part that its hearer cannot take costs neither the answer nor the link', async t => {
  const errors: unknown[] = []
  const [a, b] = memoryPair()
  const link = new Link(a, {}, { onError: error => errors.push(error) })
  const far = new Link(b, {
    tell: (_params: unknown, { part }: Context) => {
      part('odd')
      return 1
    }
  })
  t.equal(
    await link.ask(
      'tell',
      {},
      {
        ...patient,
        onPart: () => {
          throw new TypeError('not this')
        }
      }
    ),
    1
  )
  t.match(errors, [{ message: 'not this' }])
  t.notOk(far.closed.aborted)
})

await t.test('a question that was given up is answered, but not begun, however late it comes', async t => {
  const begun: unknown[] = []
  const { link, say, frames } = bare({ restart: id => begun.push(id) }, { heartbeatMs: 100 })
  const pings = () => frames.filter(({ ping }) => ping).length
  const answerTo = (id: number) => until(() => frames.find(({ answer }) => answer === id), `${id} is answered`)
  const silence = async () => {
    const before = pings()
    await until(() => pings() >= before + 2, 'two beats without a word from the other end')
  }
  const ask = (id: number) => say({ ask: id, method: 'restart', params: id, timeout: 10_000 })
  await silence()
  ask(2)
  await sleep(1)
  say({ cancel: 2 })
  t.match(await answerTo(2), { error: { code: 'timeout', message: 'request timed out' } })
  t.same(begun, [])

  await silence()
  ask(3)
  await sleep(1)
  t.same(begun, [], 'it could still be given up')
  await answerTo(3)
  t.same(begun, [3])

  await silence()
  ask(4)
  await link.close('enough')
  t.same(begun, [3])
})

await t.test('an answer that is too large is an error, and the link stays', async t => {
  const [link] = pair({ large: () => 'x'.repeat(maxAnswerBytes), small: () => 1 })
  await t.rejects(link.ask('large', {}, patient), {
    code: 'payload_too_large',
    message: /^the answer to large is larger/
  })
  t.equal(await link.ask('small', {}, patient), 1)
})

await t.test('what is thrown while a frame is handled ends the link, and goes no further', async t => {
  const errors: unknown[] = []
  const { link, say } = bare({}, { onError: error => errors.push(error) })
  const late = () => {
    throw new Error('of the one who asked')
  }
  await t.rejects(link.ask('x', {}, { timeoutMs: 1, late }), { code: 'timeout' })
  say({ answer: 1, result: 1 })
  await until(() => link.closed.aborted, 'it has ended')
  t.match(errors, [{ message: 'of the one who asked' }])
})
