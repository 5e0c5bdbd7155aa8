import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findZeek } from '../../src/zeek/executable.js'
import { cleanEnv, standIn } from '../helper.js'

/** A directory with a program "zeek" that is this script. */
function make (t: Test, script: string, mode = 0o755) {
  const directory = t.testdir({ zeek: `#!/bin/sh\n${script}\n` })
  chmodSync(join(directory, 'zeek'), mode)
  return directory
}
const says = 'case $1 in --version) echo "$0 version 8.1.2-dev";; --help) echo "    \\$ZEEKPATH     | file search path (.:/a:/b)" >&2;; esac'

await t.test('a zeek by path says its version and its search path', async t => {
  t.match(await findZeek(standIn, { ...cleanEnv, ZEEKPATH: '/x:/y' }), { path: standIn, version: '9.0.0', zeekPath: '/x:/y' })
})

await t.test('a zeek by name is the first along the PATH that can be run', async t => {
  const good = make(t, says)
  const [bare, forbidden] = [join(good, 'nothing'), join(good, 'zeek')]
  const found = await findZeek('zeek', { PATH: `:${bare}:${forbidden}:${good}:/usr/bin` })
  t.same(found, { path: join(good, 'zeek'), version: '8.1.2-dev', zeekPath: '.:/a:/b' })
})

await t.test('without a zeek it says what to do', async t => {
  await t.rejects(findZeek('zeek', { PATH: '/nowhere' }), { code: 'unavailable', message: 'zeek was not found on the PATH; set ZEEK_BIN' })
  await t.rejects(findZeek('zeek', {}), { code: 'unavailable' })
  await t.rejects(findZeek('/nowhere/zeek', {}), { code: 'unavailable', message: '/nowhere/zeek is not an executable (ZEEK_BIN)' })
  await t.rejects(findZeek(join(make(t, says, 0o644), 'zeek'), {}), { code: 'unavailable' })
})

await t.test('a program that fails, or is no zeek, is named', async t => {
  for (const [script, message] of [['echo broken >&2; exit 3', /zeek cannot be used: .*broken/s], ['echo hello', /its --help does not name ZEEKPATH/], ['kill -9 $$', /zeek cannot be used/]] as const) {
    await t.rejects(findZeek(join(make(t, script), 'zeek'), cleanEnv), { code: 'unavailable', message })
  }
})
