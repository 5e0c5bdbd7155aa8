import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { buildConsole } from '../../scripts/console.js'
import { directoryOf } from '../support/directory.js'

/** The most that a browser loads before the overview is there, compressed by gzip, in bytes. */
const firstLoadMax = 150_000

const pages = directoryOf(t)
await buildConsole(pages)
const asset = (name: string) => readFileSync(join(pages, 'assets', name))

/** Returns the assets that a text names, other than those that are loaded when a page is first shown. */
const namedIn = (text: string) =>
  [...text.matchAll(/(?:from|import)\s*"\.\/([\w.-]+)"|assets\/([\w.-]+)/g)].map(
    ([, script, other]) => script ?? other!
  )

/** Returns the assets that the page loads before anything is clicked: what it names, and what these name. */
function firstLoad(): string[] {
  const found = new Set(namedIn(readFileSync(join(pages, 'index.html'), 'utf8')))
  for (const name of found) for (const next of namedIn(asset(name).toString())) found.add(next)
  return [...found]
}

await t.test('the first load is small', async t => {
  const names = firstLoad()
  for (const kind of [/^main-\w+\.css$/, /^main-\w+\.js$/, /^chunk-\w+\.js$/, /^worker-\w+\.js$/]) {
    t.ok(
      names.some(name => kind.test(name)),
      `${kind} is a part of it`
    )
  }
  t.notOk(
    names.some(name => /^(deploy|node|intel)-/.test(name)),
    'other pages are not'
  )
  const bytes = names.reduce((sum, name) => sum + asset(`${name}.gz`).length, 0)
  t.comment(`${names.length} files, ${bytes} bytes`)
  t.ok(bytes <= firstLoadMax, `${bytes} bytes of ${firstLoadMax}`)
})
