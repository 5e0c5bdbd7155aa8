import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AssignedNode } from '../../../schemas/agent.js'
import type { ManagedNode } from '../../../src/agent/nodes/managed-node.js'
import { differences, Origins, type Origin } from '../../../src/agent/nodes/origin.js'
import type { UnitStatus } from '../../../src/supervisor/program.js'
import { nodeScript } from '../../../src/zeek/command.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv } from '../../support/environment.js'
import { settingsOf } from '../../support/settings.js'

const origin = (scripts: Record<string, string>, version = '9.0.0', stamp = '1 1'): Origin => ({
  zeek: { path: '/bin/zeek', version, stamp },
  scripts
})

await t.test('what is different is said in words', t => {
  t.same(differences(origin({ '/s/a.zeek': '1' }), origin({ '/s/a.zeek': '1' })), [])
  t.same(
    differences(
      origin({ '/s/a.zeek': '1', '/s/gone.zeek': '1' }),
      origin({ '/s/a.zeek': '2', '/s/p/__load__.zeek': '1' })
    ),
    ['scripts changed: a.zeek, gone.zeek, p/__load__.zeek']
  )
  t.same(differences(origin({}), origin({ '/a': '1' }, '9.0.1', '2 2')), [
    'zeek changed: 9.0.0 -> 9.0.1',
    'scripts changed: a'
  ])
  t.same(differences(origin({}), origin({}, '9.0.0', '1 2')), ['zeek changed: another 9.0.0'])
  const many = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`/${n}.zeek`, '1']))
  t.match(differences(origin({}), origin(many)), [/9\.zeek, …$/])
  t.end()
})

await t.test('what is not known is no difference: an agent of an earlier version has not kept it', t => {
  t.same(differences(undefined, origin({ '/a': '1' })), [])
  t.same(differences(origin({ '/a': '1' }), undefined), [])
  t.end()
})

/** A node with a script, which runs as process 1. */
async function running(t: Test) {
  const directory = directoryOf(t)
  const [bin, script] = [join(directory, 'zeek'), join(directory, 'a.zeek')]
  writeFileSync(bin, '#!/bin/sh\necho "zeek version 9.0.0"\necho "\\$ZEEKPATH | path (.)"\n', { mode: 0o755 })
  const other = join(directory, 'b.zeek')
  writeFileSync(script, '')
  writeFileSync(other, '')
  writeFileSync(join(directory, nodeScript), '')
  const origins = new Origins({ settings: settingsOf({ bin }), env: cleanEnv })
  const node = { name: 'w', instance: 'a', role: 'WORKER', scripts: ['a', 'b'] } as unknown as AssignedNode
  const program = { tag: 't', cwd: directory, env: { ZEEKPATH: `.:${directory}` } }
  const before = await origins.of(node, program)
  const managed = (more: object = {}) =>
    ({ node, program, status: { node: 'w', pid: 1 }, origin: before, ...more }) as unknown as ManagedNode
  const unit = (more: object = {}): [string, UnitStatus] => [
    'w',
    { name: 'w', kind: 'detached', tag: 't', state: 'RUNNING', restarts: 0, reason: '', origin: before, ...more }
  ]
  return {
    bin,
    script,
    other,
    directory,
    drift: (more?: object) => origins.drift([managed(more)]),
    why: async (refresh: boolean, more?: object) =>
      (await origins.whyRestart([managed()], new Map([unit(more)]), { refresh, formerTag: () => 'former' })).get('w')
  }
}

await t.test('a file is another one by its content, zeek by its size and time', async t => {
  const { bin, script, drift, why } = await running(t)
  utimesSync(script, 1, 1)
  t.same([await drift(), await why(true)], [[], undefined])
  writeFileSync(script, 'x')
  t.same([await drift(), await why(true)], [[{ node: 'w', pid: 1, files: [script] }], 'scripts changed: a.zeek'])
  utimesSync(bin, 1, 1)
  t.same(
    [await drift(), await why(true)],
    [[{ node: 'w', pid: 1, files: [bin, script] }], 'zeek changed: another 9.0.0; scripts changed: a.zeek']
  )
})

await t.test('a file that is gone has changed, and without zeek nothing is restarted', async t => {
  const { bin, script, drift, why } = await running(t)
  rmSync(script)
  t.same(await why(true), 'scripts changed: a.zeek')
  rmSync(bin)
  t.same([await drift(), await why(true)], [[{ node: 'w', pid: 1, files: [bin, script] }], undefined])
})

await t.test(
  'files are no reason to restart a node unless that is asked, and none for one that does not run',
  async t => {
    const { script, why, drift } = await running(t)
    writeFileSync(script, 'x')
    t.equal(await why(false), undefined)
    t.equal(await why(false, { tag: 'other' }), 'configuration changed')
    t.equal(await why(true, { tag: 'other' }), 'configuration changed; scripts changed: a.zeek')
    t.equal(await why(false, { tag: 'former' }), undefined, 'an upgrade restarts nothing')
    t.equal(await why(true, { state: 'CRASHED' }), undefined)
    t.same(await drift({ status: { node: 'w' } }), [])
    t.same(await drift({ origin: undefined }), [])
  }
)

await t.test('a script that a process has not loaded is no reason to restart it, and no drift', async t => {
  const { directory, other, script, why, drift } = await running(t)
  const told = { invocation: 'run' }
  mkdirSync(join(directory, 'channel'))
  const tell = (...scripts: string[]) =>
    writeFileSync(join(directory, 'channel', 'loaded'), JSON.stringify({ invocation: 'run', scripts }))
  writeFileSync(other, 'x')
  t.equal(await why(true, told), 'scripts changed: b.zeek', 'it has not told: all that it could load counts')
  tell('a.zeek')
  t.equal(await why(true, told), 'scripts changed: b.zeek', 'a list that cannot be of this process')
  tell('./a.zeek', join(directory, nodeScript))
  t.equal(await why(true, told), undefined)
  t.same(await drift(told), [])
  t.equal(await why(true, { invocation: 'the next' }), 'scripts changed: b.zeek', 'that of another process')
  writeFileSync(other, '@load ./c')
  writeFileSync(join(directory, 'c.zeek'), '')
  t.equal(await why(true, told), undefined, 'nor what only that script loads')
  writeFileSync(script, '@load ./c')
  t.equal(await why(true, told), 'scripts changed: a.zeek, c.zeek')
  t.match(await drift(told), [{ files: [script] }])
})
