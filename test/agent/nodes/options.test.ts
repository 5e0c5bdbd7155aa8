/** Options may be secret: they are where only the node's own user reads them, and for as long as the node has them. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AssignedNode, Layout } from '../../../schemas/agent.js'
import { NodeTable } from '../../../src/agent/nodes/node-table.js'
import { ShareFile } from '../../../src/agent/nodes/share-file.js'
import { digestOf } from '../../../src/protocol/packed-layout.js'
import { optionsScript, renderOptions } from '../../../src/zeek/options.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv, standIn } from '../../support/environment.js'
import { freePorts } from '../../support/ports.js'
import { settingsOf } from '../../support/settings.js'
import { supervisorIn } from '../../support/supervisor.js'
import { layoutsFrom } from '../../support/lacking.js'

/** A table whose nodes run; `deploy` returns the process of each, by name. */
async function start(t: Test) {
  const directory = directoryOf(t)
  const settings = settingsOf({ 'management-state-dir': directory, 'agent-name': 'a', bin: standIn })
  const { supervisor, programs } = supervisorIn(directory)
  t.teardown(() => supervisor.close())
  const table = new NodeTable({ settings, env: cleanEnv }, programs, new ShareFile(join(directory, 'agent.json')))
  const [port, ...metrics] = await freePorts(3)
  const names = ['worker-1', 'worker-2']
  const layout: Layout = {
    backend: 'broker',
    nodes: names.map(name => ({ name, role: 'WORKER', host: '127.0.0.1', port: port! }))
  }
  const deploy = async (...options: Record<string, string>[]) => {
    const nodes = options.map((options, at): AssignedNode => ({
      name: names[at]!,
      instance: 'a',
      role: 'WORKER',
      interface: 'lo',
      metrics_port: metrics[at]!,
      options
    }))
    const sent = { config_id: 'c', layout: digestOf(layout), nodes }
    const results = await table.deploy(
      sent,
      layoutsFrom(async () => layout),
      {},
      AbortSignal.timeout(60_000)
    )
    t.ok(
      results.every(({ success }) => success),
      JSON.stringify(results)
    )
    return Object.fromEntries(table.statuses().map(({ node, pid }) => [node, pid!]))
  }
  const scripts = join(directory, 'cluster')
  return { table, deploy, scripts, options: () => readdirSync(join(scripts, 'nodes')).sort() }
}

await t.test('nobody else sees the options of a node: they are in a file of its own, and no argument', async t => {
  const { deploy, scripts } = await start(t)
  const pids = await deploy({ 'Demo::password': 'hunter2-hunter2' }, {})
  const command = readFileSync(`/proc/${pids['worker-1']}/cmdline`, 'utf8')
  t.match(command, optionsScript('worker-1'))
  t.notMatch(command, 'hunter2')
  const path = join(scripts, optionsScript('worker-1'))
  t.equal(readFileSync(path, 'utf8'), renderOptions({ 'Demo::password': 'hunter2-hunter2' }))
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.notOk(existsSync(join(scripts, optionsScript('worker-2'))), 'one without options needs none')
})

await t.test('another option restarts the node with it, and no other node', async t => {
  const { deploy } = await start(t)
  const before = await deploy({ 'Demo::level': '1' }, { 'Demo::level': '1' })
  t.same(await deploy({ 'Demo::level': '1' }, { 'Demo::level': '1' }), before, 'the same is left alone')
  const after = await deploy({ 'Demo::level': '1' }, { 'Demo::level': '2' })
  t.equal(after['worker-1'], before['worker-1'])
  t.not(after['worker-2'], before['worker-2'])
})

await t.test('options are gone when their node has none any more, is gone, or is on standby', async t => {
  const { table, deploy, options } = await start(t)
  await deploy({ 'Demo::level': '1' }, { 'Demo::level': '1' })
  t.same(options(), ['worker-1', 'worker-2'])
  await deploy({}, { 'Demo::level': '1' })
  t.same(options(), ['worker-2'])
  await deploy({ 'Demo::level': '1' })
  t.same(options(), ['worker-1'])
  await table.standby()
  t.same(options(), [])
})
