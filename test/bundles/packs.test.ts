import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Packs } from '../../src/bundles/packs.js'
import type { Files } from '../../src/replication/log.js'
import { directoryFiles } from '../replication/directory-files.js'
import { directoryOf } from '../support/directory.js'

/** The packs of two controllers, and what both share. */
function start(t: Test) {
  const shared = directoryOf(t)
  const files = directoryFiles(shared)
  const gets: string[] = []
  const counting: Files = {
    ...files,
    get: async (name, path) => {
      gets.push(name)
      return await files.get(name, path)
    }
  }
  const open = () => new Packs(join(directoryOf(t), 'bundles'), () => counting)
  return { shared, gets, one: open(), other: open() }
}

/** Writes a pack. Returns its name. */
function write(packs: Packs, content: string): string {
  mkdirSync(packs.directory, { recursive: true })
  const { pack, path } = packs.create()
  writeFileSync(path, content)
  return pack
}

await t.test('what one controller shares another one has when it is needed, fetched once', async t => {
  const { gets, one, other } = start(t)
  const pack = write(one, 'content')
  await one.share(pack)
  const paths = await Promise.all([other.path(pack), other.path(pack)])
  t.equal(readFileSync(paths[0]!, 'utf8'), 'content')
  await other.path(pack)
  t.equal(gets.length, 1)
  t.equal(await other.isLost(pack), false)
})

await t.test('what nobody has is lost, and says so', async t => {
  const { one } = start(t)
  t.equal(await one.isLost('none.pack'), true)
  await t.rejects(one.path('none.pack'), { code: 'unavailable', message: /no other controller has it, either$/ })
  const alone = new Packs(directoryOf(t))
  await t.rejects(alone.path('none.pack'), { code: 'unavailable', message: /there is no .*none\.pack$/ })
  t.equal(await alone.isLost('none.pack'), true)
})

await t.test('only what bundles name is kept, here and by all', async t => {
  const { shared, one, other } = start(t)
  const [kept, gone, deleted] = [write(one, 'kept'), write(one, 'gone'), write(one, 'deleted')]
  for (const pack of [kept, gone, deleted]) await one.share(pack)
  writeFileSync(join(shared, 'snapshot-1'), 'a snapshot')
  await one.remove(deleted)
  t.notOk(existsSync(join(one.directory, deleted)))
  await t.rejects(other.path(deleted), { code: 'unavailable' })
  await one.keepOnly(new Set([kept]))
  t.same(readdirSync(one.directory), [kept])
  await one.shareOnly(new Set([kept]))
  t.same(readdirSync(shared).sort(), [`bundle-${kept}`, 'snapshot-1'])
})
