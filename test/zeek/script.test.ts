import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Layout } from '../../schemas/agent.js'
import { ourScripts } from '../../src/zeek/command.js'
import { renderLayout } from '../../src/zeek/layout.js'
import { packageRoot } from '../../src/util.js'
import { cleanEnv } from '../support/environment.js'

const ours = ourScripts.map(script => join(packageRoot, 'src', 'zeek', script))
const layout: Layout = {
  backend: 'zeromq',
  nodes: [
    { name: 'manager', role: 'MANAGER', host: '10.0.0.1', port: 2200, metrics_port: 9000 },
    { name: 'logger-1', role: 'LOGGER', host: '2001:db8::1', port: 2201, metrics_port: 9001 },
    { name: 'worker-1', role: 'WORKER', host: '10.0.0.2' }
  ]
}

/** PyPI's zeekscript parses Zeek scripts with Zeek's own grammar; .ci/run puts its command on the PATH. */
function zeekFormat(path: string) {
  return spawnSync('zeek-format', [path], { env: cleanEnv, encoding: 'utf8' })
}

const missing = zeekFormat('/dev/null').error ? 'zeek-format (PyPI: zeekscript) is not on the PATH' : false

await t.test('our scripts parse, and are formatted as Zeek formats scripts', { skip: missing }, async t => {
  for (const script of ours) {
    const { status, stdout, stderr } = zeekFormat(script)
    t.equal(status, 0, stderr)
    t.equal(stdout, readFileSync(script, 'utf8'))
  }
})

await t.test('our scripts use what a Zeek exports', async t => {
  const exported = readFileSync(join(packageRoot, 'test', 'fixtures', 'zeek', 'exported-names.txt'), 'utf8').split('\n')
  for (const source of [...ours.map(script => readFileSync(script, 'utf8')), renderLayout(layout, '10.0.0.1')]) {
    const names = source.replaceAll(/#.*/g, '').match(/\b[A-Z]\w*(?:::\w+)+/g) ?? []
    t.ok(names.length > 0)
    t.same(
      names.filter(name => !name.startsWith('ZeekClusterController::') && !exported.includes(name)),
      []
    )
  }
})

await t.test('a rendered layout parses', { skip: missing }, async t => {
  const path = join(mkdtempSync(join(tmpdir(), 'layout-')), 'cluster-layout.zeek')
  writeFileSync(path, renderLayout(layout, '10.0.0.1'))
  const { status, stderr } = zeekFormat(path)
  t.equal(status, 0, stderr)
})

await t.test('the parser notices what is wrong', { skip: missing }, async t => {
  const path = join(mkdtempSync(join(tmpdir(), 'layout-')), 'cluster-layout.zeek')
  writeFileSync(path, renderLayout(layout, '10.0.0.1').replace('};', ''))
  t.not(zeekFormat(path).status, 0)
})
