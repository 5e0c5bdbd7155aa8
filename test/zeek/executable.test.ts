import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findZeek } from '../../src/zeek/executable.js'
import { cleanEnv, standIn } from '../support/environment.js'

/** A directory with a program "zeek" that is this script. */
function make(t: Test, script: string, mode = 0o755) {
  const directory = t.testdir({ zeek: `#!/bin/sh\n${script}\n` })
  chmodSync(join(directory, 'zeek'), mode)
  return directory
}
const says =
  'case $1 in --version) echo "$0 version 8.1.2-dev";; --help) echo "    \\$ZEEKPATH     | file search path (.:/a:/b)" >&2;; esac'

await t.test('a zeek by path says its version and its search path', async t => {
  t.match(await findZeek(standIn, { ...cleanEnv, ZEEKPATH: '/x:/y' }), {
    path: standIn,
    version: '9.0.0',
    zeekPath: '/x:/y'
  })
})

await t.test('a zeek by name is the first along the PATH that can be run', async t => {
  const good = make(t, says)
  const [bare, forbidden] = [join(good, 'nothing'), join(good, 'zeek')]
  const found = await findZeek('zeek', { PATH: `:${bare}:${forbidden}:${good}:/usr/bin` })
  t.same(found, { path: join(good, 'zeek'), version: '8.1.2-dev', zeekPath: '.:/a:/b' })
})

await t.test('without a zeek it says what to do', async t => {
  await t.rejects(findZeek('zeek', { PATH: '/nowhere' }), {
    code: 'unavailable',
    message: 'zeek was not found on the PATH; set ZEEK_BIN'
  })
  await t.rejects(findZeek('zeek', {}), { code: 'unavailable' })
  await t.rejects(findZeek('/nowhere/zeek', {}), {
    code: 'unavailable',
    message: '/nowhere/zeek is not an executable (ZEEK_BIN)'
  })
  await t.rejects(findZeek(join(make(t, says, 0o644), 'zeek'), {}), { code: 'unavailable' })
})

await t.test('a program that fails, or is no zeek, is named', async t => {
  for (const [script, message] of [
    ['echo broken >&2; exit 3', /zeek cannot be used: .*broken/s],
    ['echo hello', /its --help does not name ZEEKPATH/],
    ['kill -9 $$', /zeek cannot be used/]
  ] as const) {
    await t.rejects(findZeek(join(make(t, script), 'zeek'), cleanEnv), { code: 'unavailable', message })
  }
})

await t.test('a zeek is asked once who it is, until its file or the search path is another', async t => {
  const counting = (version: string) =>
    `echo x >> "\${0%/*}/asked"; case $1 in --version) echo "zeek version ${version}";; --help) echo "\\$ZEEKPATH | path (\${ZEEKPATH:-.})";; esac`
  const directory = make(t, counting('1'))
  const path = join(directory, 'zeek')
  const asked = () => readFileSync(join(directory, 'asked'), 'utf8').length / 2
  const all = await Promise.all([
    findZeek(path, cleanEnv),
    findZeek('zeek', { ...cleanEnv, PATH: `${directory}:/bin` }),
    findZeek(path, cleanEnv)
  ])
  t.same(
    all.map(({ version }) => version),
    ['1', '1', '1']
  )
  t.equal(asked(), 2, 'its version and its search path')
  t.match(await findZeek(path, { ...cleanEnv, ZEEKPATH: '/x' }), { zeekPath: '/x' })
  t.equal(asked(), 4)
  writeFileSync(path, `#!/bin/sh\n${counting('1.0.1')}\n`)
  t.match(await findZeek(path, cleanEnv), { version: '1.0.1' })
  t.equal(asked(), 6)
})

await t.test('a zeek that could not answer is asked again', async t => {
  const directory = make(t, `[ -e "\${0%/*}/well" ] || exit 1; ${says}`)
  const path = join(directory, 'zeek')
  await t.rejects(findZeek(path, cleanEnv), { code: 'unavailable' })
  writeFileSync(join(directory, 'well'), '')
  t.match(await findZeek(path, cleanEnv), { version: '8.1.2-dev' })
})
