import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { Guard } from '../../src/controller/guard.js'
import { TokenTable } from '../../src/store/tokens.js'
import { createToken } from '../../src/token.js'
import { openStore } from '../store/open.js'

await t.test('while tokens cannot be read those that are known count, until they expire', async t => {
  const { store } = openStore(t)
  const tokens = new TokenTable(store)
  const { kept, text } = createToken({ name: 'a', role: 'viewer', lifetimeMs: 1000, now: 0 })
  await store.write('synced', () => tokens.insert(kept))
  const clock = { now: 0 }
  const guard = new Guard({ authentication: 'token', tokens, now: () => clock.now })
  t.teardown(() => guard.close())
  const stream = Object.assign(new EventEmitter(), { destroy: () => stream.emit('close') })
  guard.hold(guard.identify({ authorization: `Bearer ${text}` }), stream)
  const get = store.get
  let reads = 0
  store.get = () => { reads++; throw new Error('disk I/O error') }
  t.teardown(() => { store.get = get })
  t.throws(() => guard.identify({ authorization: `Bearer ${text}` }))
  clock.now = 1001
  // The timer of the guard does not keep the process.
  const alive = setTimeout(() => {}, 20_000)
  await once(stream, 'close')
  clearTimeout(alive)
  t.ok(reads > 1)
})
