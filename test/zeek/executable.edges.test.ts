import { chmodSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { findZeek } from '../../src/zeek/executable.js'

function make(t: Test) {
  const directory = t.testdir({
    opt: { zeek: {} },
    bin: { zeek: '#!/bin/sh\necho "zeek version 1"\necho "\\$ZEEKPATH | path (.)"\n' }
  })
  chmodSync(join(directory, 'bin', 'zeek'), 0o755)
  return directory
}

await t.test('a directory named zeek along the PATH is no zeek', async t => {
  const directory = make(t)
  t.match(await findZeek('zeek', { PATH: `${join(directory, 'opt')}:${join(directory, 'bin')}:/bin` }), {
    path: join(directory, 'bin', 'zeek')
  })
})

await t.test('a zeek along a relative PATH has a path that works in any directory', async t => {
  const { path } = await findZeek('zeek', { PATH: `${relative(process.cwd(), join(make(t), 'bin'))}:/bin` })
  t.ok(isAbsolute(path), path)
})
