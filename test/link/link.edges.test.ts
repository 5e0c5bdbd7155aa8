import t from 'tap'
import { statusOf } from '../../src/errors.js'
import { Link } from '../../src/link/link.js'
import { memoryPair, type Receiver, type Transport } from '../../src/link/transport.js'
import { countListeners } from '../support/listeners.js'

/** A link whose transport is in our hands. */
function held(handlers: ConstructorParameters<typeof Link>[1], options: ConstructorParameters<typeof Link>[2] = {}) {
  let receiver: Receiver | undefined
  const sent: any[] = []
  const transport: Transport = {
    send: text => {
      sent.push(JSON.parse(text))
    },
    close: async () => {},
    receive: given => {
      receiver = given
    }
  }
  return {
    link: new Link(transport, handlers, options),
    sent,
    receive: (text: string) => receiver!.message(text),
    end: (reason: string) => receiver!.closed(reason)
  }
}

await t.test('a frame that is JSON but no object does no harm', async t => {
  for (const text of ['null', '5', '"ask"', 'true']) {
    const errors: unknown[] = []
    const { receive } = held({}, { onError: error => errors.push(error) })
    t.doesNotThrow(() => receive(text), text)
    t.equal(errors.length, 1, 'and is told of')
  }
})

await t.test('an error whose code is a name that objects inherit is internal', async t => {
  const { link, receive } = held({})
  const asked: Promise<any> = link.ask('x', {}, { timeoutMs: 5000 })
  receive(JSON.stringify({ answer: 1, error: { code: 'toString', message: 'what' } }))
  const { code } = await asked.catch(error => error)
  t.ok(Object.hasOwn(statusOf, code), `its code is ${code}`)
})

await t.test('nothing is served once the link is closed', async t => {
  let served = 0
  const { end, receive } = held({
    deploy: () => {
      served++
    }
  })
  end('heartbeat missed')
  receive(JSON.stringify({ ask: 1, method: 'deploy', timeout: 1000 }))
  await new Promise(resolve => setImmediate(resolve))
  t.equal(served, 0)
})

await t.test('a question may wait for longer than 2^31 ms', async t => {
  const [a, b] = memoryPair()
  const link = new Link(a, {})
  const far = new Link(b, {
    name: async (_, { signal }) => {
      await new Promise(resolve => setTimeout(resolve, 20))
      return signal.aborted
    }
  })
  const outcome = await link.ask('name', {}, { timeoutMs: 2 ** 31 + 1000 }).catch(error => error.code)
  t.equal(outcome, false)
  await far.close('end')
})

await t.test('what cannot be written as JSON leaves nothing behind', async t => {
  const { link, end } = held({})
  const abort = new AbortController()
  const listeners = countListeners(abort.signal)
  await t.rejects(link.ask('x', 1n, { timeoutMs: 50, signal: abort.signal }), { name: 'TypeError' })
  t.equal(listeners(), 0)
  end('done')
})
