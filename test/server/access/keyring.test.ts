import t from 'tap'
import { createToken } from '../../../src/security/token.js'
import { Keyring } from '../../../src/server/access/keyring.js'
import { Store } from '../../../src/store/store.js'
import { TokenTable } from '../../../src/store/tokens.js'
import { openStore } from '../../store/open.js'

await t.test('a change that could not be read is read later', async t => {
  const { store, path } = openStore(t)
  const { kept } = createToken({ name: 'a', role: 'viewer', now: 0 })
  await store.write('synced', () => new TokenTable(store).insert(kept))
  let changes = 0
  const keyring = new Keyring(
    store,
    () => 1,
    () => changes++
  )
  const command = new Store(path)
  await command.write('synced', () => new TokenTable(command).delete(kept.id))
  command.close()
  const { all } = store
  store.all = () => {
    throw new Error('disk I/O error')
  }
  t.throws(() => keyring.refresh(), { message: 'disk I/O error' })
  t.ok(keyring.isGood(kept.id))
  store.all = all
  keyring.refresh()
  t.notOk(keyring.isGood(kept.id))
  t.equal(changes, 2, 'what came with it is told as well')
})

await t.test('what this process has changed is known at once', async t => {
  const { store } = openStore(t)
  const clock = { now: 0 }
  const keyring = new Keyring(
    store,
    () => clock.now,
    () => {}
  )
  const make = (name: string, more: object = {}) => createToken({ name, role: 'viewer', now: 0, ...more })
  const [one, other, brief] = [make('one'), make('other'), make('brief', { lifetimeMs: 10 })]
  const session = make('one', { parent: one.kept.id })
  const known = () => [one, session, other, brief].map(({ kept }) => keyring.isGood(kept.id))
  for (const { kept } of [one, other, session, brief]) keyring.add(kept)
  t.same(known(), [true, true, true, true])
  t.equal(keyring.find(other.text), other.kept)
  keyring.drop(one.kept.id)
  t.same(known(), [false, false, true, true], 'a session ends with its token')
  clock.now = 10
  keyring.add(other.kept)
  clock.now = 9
  t.same(known(), [false, false, true, false], 'one that has expired makes room')
})
