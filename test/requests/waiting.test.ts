import { getEventListeners, setMaxListeners } from 'node:events'
import t from 'tap'
import { Waiting } from '../../src/requests/waiting.js'

await t.test('who waits leaves nothing behind in a signal that outlives it', async t => {
  const waiting = new Waiting()
  const [server, client] = [new AbortController(), new AbortController()]
  setMaxListeners(0, server.signal, client.signal)
  const many = Array.from({ length: 20 }, () => waiting.wait('it', 10_000, server.signal, client.signal))
  t.equal(getEventListeners(server.signal, 'abort').length, 20)
  waiting.release('it')
  await Promise.all(many)
  await waiting.wait('it', 1, server.signal, client.signal)
  t.same(
    [server, client].map(({ signal }) => getEventListeners(signal, 'abort').length),
    [0, 0]
  )
  // What AbortSignal.any would add to, for ever.
  const dependants = Object.getOwnPropertySymbols(server.signal).find(
    symbol => symbol.description === 'kDependantSignals'
  )
  t.equal(dependants && (server.signal as any)[dependants]?.size, undefined)
})

await t.test('whichever signal comes first ends the wait', async t => {
  const waiting = new Waiting()
  for (const which of [0, 1]) {
    const controllers = [new AbortController(), new AbortController()]
    const wait = waiting.wait('it', 10_000, ...controllers.map(({ signal }) => signal))
    controllers[which]!.abort()
    await t.resolves(wait)
    await t.resolves(
      waiting.wait('it', 10_000, ...controllers.map(({ signal }) => signal)),
      'nor does it begin after that'
    )
  }
})
