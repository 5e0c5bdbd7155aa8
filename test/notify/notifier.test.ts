import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Notifier, type NotifierOptions } from '../../src/notify/notifier.js'
import { NotificationPlaces } from '../../src/store/notification-places.js'
import type { Store } from '../../src/store/store.js'
import { everything, openLog } from '../store/open.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { startReceiver } from './receiver.js'

/** Nothing waits for a clock that stands still: time passes as a test has it. */
const began = Date.parse('2026-11-30T12:00:00Z')

/** A log, and what tells of it what a file says. Time stands still, unless a test has it pass. */
async function start(t: Test, content: object, more: (store: Store) => Partial<NotifierOptions> = () => ({})) {
  const directory = directoryOf(t)
  const { store, log, append } = await openLog(t, directory)
  const file = join(directory, 'notify.json')
  const write = (text: object) => writeFileSync(file, JSON.stringify(text), { mode: 0o600 })
  write(content)
  const clock = { now: began, elapsed: 0 }
  const said: string[] = []
  const audited: { outcome: string; sink: string }[] = []
  const places = new NotificationPlaces(store)
  const say = (line: string) => {
    said.push(line)
  }
  const open = () => {
    const notifier = new Notifier({
      file,
      source: 'controller',
      env: {},
      store,
      log,
      places,
      cursorOf: seq => `k.${seq}`,
      say: { info: say, warn: say, error: say },
      audit: what => audited.push(what),
      failingMaxMs: 600_000,
      lookMs: 10,
      now: () => clock.now,
      elapsed: () => clock.elapsed,
      ...more(store)
    })
    notifier.open()
    t.teardown(() => notifier.close())
    return notifier
  }
  const pass = (ms: number) => {
    clock.now += ms
    clock.elapsed += ms
  }
  /** Something goes wrong, of which the rules of these tests tell. */
  const fail = async (message: string, event: object = {}) =>
    (await append(message, { time: clock.now, more: event })).seq
  return { store, log, file, write, clock, pass, said, audited, places, open, fail, append }
}

const textsOf = (notifications: { occurrences: { text: string }[] }[]) =>
  notifications.map(({ occurrences }) => occurrences.map(({ text }) => text).join())
const errors = { name: 'errors', types: ['notify_error'] }
const crash = (node: string) => ({
  type: 'notify_change',
  instance: 'a',
  node,
  old_state: 'RUNNING',
  new_state: 'CRASHED',
  reason: 'so',
  restarts: 0
})

await t.test('what happens within the time of a group is told as one, once that is over', async t => {
  const receiver = await startReceiver(t)
  const { open, fail, pass } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [{ ...errors, group_for: 60 }]
  })
  const notifier = open()
  await fail('a')
  pass(59_000)
  await fail('b')
  await until(() => notifier.counts[0]!.waiting === 2, 'both are gathered')
  t.same(notifier.status.rules[0]!.queues[0]!.due, '2026-11-30T12:01:00.000Z')
  t.same(receiver.received, [])
  pass(1000)
  await fail('c')
  await until(() => receiver.received.length === 1, 'the first two are told')
  pass(60_000)
  await until(() => receiver.received.length === 2, 'and the third')
  t.same(textsOf(receiver.notifications), ['a,b', 'c'])
})

await t.test('in quiet hours only what is bad is told at once; the rest afterwards, as one', async t => {
  const receiver = await startReceiver(t)
  const { open, fail, pass, clock } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [
      {
        name: 'all',
        types: ['notify_error', 'notify_change'],
        group_for: 0,
        quiet: { hours: [{ from: '22:00', to: '07:00' }], time_zone: 'UTC' }
      }
    ]
  })
  clock.now = Date.parse('2026-11-30T21:59:00Z')
  const notifier = open()
  await fail('before')
  await until(() => receiver.received.length === 1, 'it is not quiet yet')
  pass(3_600_000)
  await fail('one')
  await fail('bad', crash('worker-1'))
  pass(3_600_000)
  await fail('two')
  await until(() => receiver.received.length === 2 && notifier.counts[0]!.waiting === 2, 'the crash is told')
  t.match(notifier.status.rules[0], { is_quiet: true, queues: [{ due: '2026-12-01T07:00:00.000Z', waiting: 2 }] })
  clock.now = Date.parse('2026-12-01T06:59:59.999Z')
  await fail('three')
  await until(() => notifier.counts[0]!.waiting === 3, 'it waits')
  clock.now += 1
  await until(() => receiver.received.length === 3, 'the rest is told')
  t.same(textsOf(receiver.notifications), ['before', 'worker-1 on a is CRASHED, was RUNNING: so', 'one,two,three'])
})

await t.test('what a sink has failed to take before quiet hours waits for their end, too', async t => {
  const receiver = await startReceiver(t, (_received, response) => response.writeHead(500).end())
  const { open, fail, clock } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [{ ...errors, group_for: 0, quiet: { hours: [{ from: '22:00', to: '07:00' }], time_zone: 'UTC' } }]
  })
  clock.now = Date.parse('2026-11-30T21:59:59Z')
  const notifier = open()
  await fail('a')
  await until(() => receiver.received.length === 1, 'it is tried')
  receiver.behave((_received, response) => response.end())
  clock.now += 1000
  await until(() => notifier.status.sinks[0]!.failed === 1, 'it has failed')
  clock.elapsed += 3_600_000
  t.match(notifier.status.rules[0]!.queues[0]!.due, '2026-12-01T07:00:00.000Z')
  clock.now = Date.parse('2026-12-01T07:00:00Z')
  await until(() => receiver.received.length === 2, 'it is tried again')
})

await t.test('a sink that was away for an hour gets all, in order; and it is said once why it does not', async t => {
  const receiver = await startReceiver(t, (_received, response) => response.writeHead(503).end('away'))
  const { open, fail, pass, said, audited } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [{ ...errors, group_for: 10 }]
  })
  const notifier = open()
  const all: string[] = []
  for (let minute = 0; minute < 30; minute++) {
    all.push(`minute ${minute}`)
    await fail(`minute ${minute}`)
    pass(120_000)
  }
  await until(() => notifier.counts[0]!.failed > 0 && notifier.counts[0]!.waiting === 30, 'it is tried, and all waits')
  pass(600_000)
  t.match(notifier.faults, [
    { code: 'notifications_failing', message: /^ops has taken no notification for \d+ min: HTTP 503: away/ }
  ])
  receiver.received.length = 0
  receiver.behave((_received, response) => response.end())
  // One may be on its way, and fail: then it is tried again after a while.
  await until(() => {
    pass(600_000)
    return receiver.received.length >= 30
  }, 'all is told')
  t.same(textsOf(receiver.notifications), all)
  t.equal(new Set(receiver.notifications.map(({ id }) => id)).size, 30)
  await until(() => notifier.counts[0]!.waiting === 0, 'nothing waits')
  t.same(
    [notifier.faults, said],
    [[], ['ops has not taken a notification: HTTP 503: away', 'ops takes notifications again']]
  )
  t.equal(audited.length, 30)
})

await t.test('what is more than is gathered ahead stays in the log, and is told in its turn', async t => {
  const receiver = await startReceiver(t, () => {})
  const { open, fail, pass } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [{ ...errors, group_for: 0 }]
  })
  const first = open()
  await until(() => first.status.rules[0]!.queues.length === 1, 'it is open')
  const all = Array.from({ length: 300 }, (_, n) => `error ${n}`)
  for (const message of all) await fail(message)
  await until(() => receiver.received.length === 1, 'the sink hangs')
  t.ok(first.counts[0]!.waiting < 100)
  await first.close()
  receiver.behave((_received, response) => response.end())
  pass(60_000)
  const second = open()
  await until(() => second.counts[0]!.delivered === 300, 'all is told')
  t.same(textsOf(receiver.notifications).slice(1), all)
})

await t.test('what is told as one does not depend on how fast it is read', async t => {
  const receiver = await startReceiver(t)
  let elapsed = 0
  const { open, fail, pass } = await start(
    t,
    { sinks: { ops: { webhook: { url: receiver.url } } }, rules: [{ ...errors, group_for: 60 }] },
    // Each look reads once.
    () => ({ elapsed: () => (elapsed += 1000) })
  )
  const first = open()
  await until(() => first.status.rules[0]!.queues.length === 1, 'it is open')
  await first.close()
  for (let n = 0; n < 500; n++) await fail(`error ${n}`)
  pass(3_600_000)
  await fail('much later')
  open()
  await until(() => receiver.received.length > 0, 'it is told')
  t.equal(receiver.notifications[0].count, 500)
})

await t.test('a sink that hangs keeps no other from anything', async t => {
  const [hanging, good] = [await startReceiver(t, () => {}), await startReceiver(t)]
  const { open, fail } = await start(t, {
    sinks: { a: { webhook: { url: hanging.url, timeout: 60 } }, b: { webhook: { url: good.url } } },
    rules: [{ ...errors, group_for: 0 }]
  })
  const notifier = open()
  for (const message of ['x', 'y', 'z']) {
    await fail(message)
    await until(() => good.notifications.at(-1)?.occurrences[0].text === message, 'it is told')
  }
  await until(() => notifier.counts[1]!.waiting === 0, 'all is told to the other')
  t.equal(hanging.received.length, 1, 'one at a time')
  t.match(notifier.counts, [
    { sink: 'a', delivered: 0, waiting: 3 },
    { sink: 'b', delivered: 3 }
  ])
})

await t.test(
  'what was removed before it was told is told to be missing, again and again until that is told',
  async t => {
    const receiver = await startReceiver(t, (_received, response) => response.writeHead(500).end())
    const { open, fail, log, clock, pass } = await start(t, {
      sinks: { ops: { webhook: { url: receiver.url } } },
      rules: [{ ...errors, group_for: 0 }]
    })
    const first = open()
    await fail('told never')
    await until(() => receiver.received.length === 1, 'it is tried')
    await first.close()
    for (let n = 0; n < 9; n++) await fail(`gone ${n}`)
    await fail('kept')
    while (await log.prune({ ...everything, maxCount: 1 }, clock.now));
    const second = open()
    await until(() => receiver.received.length === 2, 'that they are gone is tried')
    await second.close()
    receiver.behave((_received, response) => response.end())
    open()
    await until(() => receiver.received.length === 4, 'it is told')
    pass(1)
    const [, one, two, kept] = receiver.notifications
    t.match([one, two], [{ missed: 10 }, { missed: 10 }])
    t.equal(one.id, two.id, 'under the same id')
    t.match(kept.occurrences, [{ text: 'kept' }])
  }
)

await t.test('what nobody wanted to know and was removed is not told to be missing', async t => {
  const receiver = await startReceiver(t)
  const { open, fail, log, clock, append } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [{ ...errors, group_for: 0 }]
  })
  const first = open()
  for (let n = 0; n < 20; n++) await append('', { more: { type: 'notify_agents_ready', instances: [] } })
  await until(() => first.status.rules[0]!.queues[0]!.delivered_until === 'k.20', 'it is read')
  await first.close()
  while (await log.prune({ ...everything, maxCount: 1 }, clock.now));
  open()
  await fail('a')
  await until(() => receiver.received.length === 1, 'it is told')
  t.same(textsOf(receiver.notifications), ['a'])
})

await t.test('two rules on one sink: each tells what is its own', async t => {
  const receiver = await startReceiver(t)
  const { open, fail, pass } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [
      { ...errors, group_for: 0 },
      { name: 'nodes', types: ['notify_change'], group_for: 30 },
      { name: 'both', types: ['notify_change', 'notify_error'], group_for: 60 }
    ]
  })
  open()
  await fail('a')
  await fail('', crash('worker-1'))
  await until(() => receiver.received.length === 1, 'the first tells at once')
  pass(30_000)
  await until(() => receiver.received.length === 2, 'the second')
  pass(30_000)
  await until(() => receiver.received.length === 3, 'the third')
  t.same(
    receiver.notifications.map(({ rule, count }) => [rule, count]),
    [
      ['errors', 1],
      ['nodes', 1],
      ['both', 2]
    ]
  )
  t.equal(new Set(receiver.notifications.map(({ id }) => id)).size, 3)
})

await t.test('what a sink refuses for good is given up after some attempts, and the next is told', async t => {
  const receiver = await startReceiver(t, ({ body }, response) =>
    response.writeHead(body.includes('poison') ? 400 : 200).end('bad')
  )
  const { open, fail, pass, audited, said } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [{ ...errors, group_for: 0 }]
  })
  const notifier = open()
  await fail('poison')
  await fail('good')
  for (let attempt = 1; attempt <= 5; attempt++) {
    await until(() => notifier.counts[0]!.failed === attempt, 'it is refused')
    pass(300_000)
  }
  await until(() => notifier.counts[0]!.delivered === 1, 'the next is told')
  t.match(notifier.counts, [{ failed: 5, given_up: 1, delivered: 1, waiting: 0 }])
  t.match(audited, [
    { outcome: 'given_up', sink: 'ops' },
    { outcome: 'succeeded', sink: 'ops' }
  ])
  t.ok(said.some(line => /it is given up: HTTP 400: bad/.test(line)))
})

await t.test('Retry-After is heeded, and a test that succeeds has it tried again at once', async t => {
  const receiver = await startReceiver(t, (_received, response) =>
    response.writeHead(429, { 'retry-after': '1800' }).end()
  )
  const { open, fail, pass } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [{ ...errors, group_for: 0 }]
  })
  const notifier = open()
  await fail('a')
  await until(() => notifier.counts[0]!.failed === 1, 'it is put off')
  t.equal(notifier.status.sinks[0]!.next_attempt, '2026-11-30T12:30:00.000Z')
  pass(1000)
  t.match(await notifier.test('ops', 'me'), { delivered: false, detail: 'HTTP 429' })
  receiver.behave((_received, response) => response.end('ok'))
  t.match(await notifier.test('ops', 'me'), { delivered: true, detail: 'HTTP 200: ok' })
  await until(() => notifier.counts[0]!.delivered === 1, 'it is told')
  await t.rejects(notifier.test('nobody', 'me'), { code: 'not_found' })
})

await t.test('one test of a sink at a time', async t => {
  const receiver = await startReceiver(t, () => {})
  const { open } = await start(t, { sinks: { ops: { webhook: { url: receiver.url } } }, rules: [errors] })
  const notifier = open()
  const first = notifier.test('ops', 'me')
  await until(() => receiver.received.length === 1, 'it is under way')
  await t.rejects(notifier.test('ops', 'me'), { code: 'conflict' })
  await notifier.close()
  t.match(await first, { delivered: false, detail: 'it was broken off' })
})

await t.test('a new rule tells nothing of the past, and one that is gone leaves nothing', async t => {
  const receiver = await startReceiver(t)
  const sinks = { ops: { webhook: { url: receiver.url } } }
  const { open, fail, write, places } = await start(t, { sinks, rules: [{ ...errors, group_for: 0 }] })
  const notifier = open()
  await fail('a')
  await until(() => receiver.received.length === 1, 'it is told')
  write({ sinks, rules: [{ ...errors, name: 'others', group_for: 0 }] })
  notifier.reload()
  await until(() => places.list().every(({ rule }) => rule === 'others'), 'the places are those of the new rule')
  await fail('b')
  await until(() => receiver.received.length === 2, 'it is told')
  t.same(textsOf(receiver.notifications), ['a', 'b'])
})

await t.test('a rule that gets quiet hours, and loses them, goes on where it was', async t => {
  const receiver = await startReceiver(t)
  const sinks = { ops: { webhook: { url: receiver.url } } }
  const quiet = { hours: [{ from: '11:00', to: '13:00' }], time_zone: 'UTC' }
  const { open, fail, write, places, said, audited } = await start(t, { sinks, rules: [{ ...errors, group_for: 0 }] })
  const notifier = open()
  await fail('a')
  // What has come, and is not yet stored as told, would be told again.
  await until(() => audited.length === 1, 'it is told')
  write({ sinks, rules: [{ ...errors, group_for: 0, quiet }] })
  notifier.reload()
  await until(() => places.list().length === 2, 'it has two places')
  await fail('b')
  await until(() => notifier.counts[0]!.waiting === 1, 'it waits')
  write({ sinks, rules: [{ ...errors, group_for: 0 }] })
  notifier.reload()
  await until(() => receiver.received.length === 2, 'it is told')
  t.same([textsOf(receiver.notifications), said.length], [['a', 'b'], 2])
})

await t.test('while the store cannot be written what was told is not told again', async t => {
  const receiver = await startReceiver(t)
  const waiting: (() => void)[] = []
  const { open, fail, places } = await start(
    t,
    { sinks: { ops: { webhook: { url: receiver.url } } }, rules: [{ ...errors, group_for: 0 }] },
    store => ({
      store: {
        failure: undefined,
        // As one whose disk is full: what insists waits until it is not.
        write: async (durability, job, options) => {
          if (options?.insists) await new Promise<void>(resolve => waiting.push(resolve))
          return await store.write(durability, job, options)
        }
      }
    })
  )
  const notifier = open()
  await fail('a')
  await fail('b')
  await until(() => notifier.counts[0]!.delivered === 1, 'it is told')
  await fail('c')
  await until(() => notifier.counts[0]!.waiting === 3, 'it has looked again')
  t.equal(receiver.received.length, 1)
  for (const resolve of waiting.splice(0)) resolve()
  await until(() => receiver.received.length === 2, 'it goes on')
  await until(() => waiting.length > 0, 'and waits for the store again')
  await notifier.close()
  t.match(places.list(), [{ seq: 1 }], 'which keeps it from nothing when it is to end')
})

await t.test('whenever it is killed, all is told at least once, and doubles have the same id', async t => {
  const receiver = await startReceiver(t)
  const { open, fail, pass } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url } } },
    rules: [{ ...errors, group_for: 5 }]
  })
  let notifier = open()
  const all: string[] = []
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('fail', 'pass', 'look', 'kill'), { maxLength: 12 }), async steps => {
      for (const step of steps) {
        if (step === 'fail') {
          const message = randomUUID()
          all.push(message)
          await fail(message)
        } else if (step === 'pass') pass(3_000)
        else if (step === 'look') await new Promise(resolve => setImmediate(resolve))
        else {
          // What it would still store is not stored: as after kill -9 it begins where it was.
          const before = notifier
          notifier = open()
          await before.close()
        }
      }
    }),
    { numRuns: 25 }
  )
  pass(60_000)
  const told = () => new Set(textsOf(receiver.notifications).flatMap(text => text.split(',')))
  await until(() => all.every(message => told().has(message)), 'all is told')
  const texts = new Map<string, string>()
  const [ids, bodies] = [receiver.notifications.map(({ id }) => id as string), textsOf(receiver.notifications)]
  for (const [at, id] of ids.entries()) {
    t.equal(texts.get(id) ?? bodies[at], bodies[at], 'the same id is the same')
    texts.set(id, bodies[at]!)
  }
})
