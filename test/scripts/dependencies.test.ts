import { join } from 'node:path'
import { createRequire } from 'node:module'
import t from 'tap'
import { joined, joinedDirectory, namesOf, required } from '../../scripts/dependencies.js'
import { packageRoot } from '../../src/util.js'

await t.test('a package whose files are joined has all that it exports', async t => {
  for (const [name, kind] of Object.entries({ ...joined, [required]: 'commonjs' })) {
    // As tests find it, too: they run what is shipped.
    const found = import.meta.resolve(name)
    t.equal(found, `file://${joinedDirectory}/${name}/index.js`)
    const names = Object.keys((await import(found)) as object)
    if (kind === 'commonjs') {
      t.same(
        (await namesOf(name)).filter(one => !names.includes(one)),
        [],
        name
      )
    }
    t.ok(names.length > 0, name)
  }
})

await t.test('the one that settings are read with can be required', async t => {
  const { parse } = createRequire(join(packageRoot, 'dist', 'src', 'settings.js'))(required)
  t.same(parse('a: [1, 2]'), { a: [1, 2] })
})
