import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { getJson } from '../support/client.js'
import { directoryOf } from '../support/directory.js'
import { Cluster, configurationOf } from './cluster.js'

const two = ['sensor-1', 'sensor-2'] as const

await t.test('a cluster whose next configuration is bad', async t => {
  const cluster = new Cluster(t)
  await cluster.start(two)
  const script = join(directoryOf(t), 'site.zeek')
  const config = configurationOf(two, [{ name: 'worker-1', scripts: [script] }])
  /** All that a deployment would change. */
  const all = async () => ({
    pids: await cluster.pids(),
    deployed: (await getJson(`${cluster.url}/v1/configurations/deployed`)).configuration,
    remembered: two.map(name => readFileSync(join(cluster.stateDir(name), 'agent.json'), 'utf8')),
    layouts: two.map(name => readFileSync(join(cluster.stateDir(name), 'cluster', 'cluster-layout.zeek'), 'utf8'))
  })

  await t.test('is checked and deployed while it is good', async t => {
    writeFileSync(script, 'event zeek_init()\n\t{\n\t}\n')
    await cluster.ask('stage_configuration', { config: { ...config, id: 'good' } })
    t.same(
      (await cluster.ask('check')).results.flatMap(({ error }) => error ?? []),
      []
    )
    t.equal((await cluster.ask('deploy')).state, 'succeeded')
  })

  await t.test('is told file and line, and nothing is changed anywhere', async t => {
    const before = await all()
    writeFileSync(script, 'event zeek_init()\n\t{\n\t}}\n')
    await cluster.ask('stage_configuration', {
      config: {
        ...config,
        id: 'bad',
        nodes: [...config.nodes, { name: 'worker-2', instance: 'sensor-1', role: 'WORKER', interface: 'lo' }]
      }
    })
    const { state, results } = await cluster.ask('deploy')
    t.equal(state, 'failed')
    t.match(results, [
      {
        instance: 'sensor-2',
        node: 'worker-1',
        success: false,
        error: `${script}:3: syntax error, at or near "}"`,
        data: { findings: [{ level: 'error', file: script, line: 3 }] }
      }
    ])
    t.equal(results.length, 1)
    t.same(await all(), before)
    t.same(
      two.map(name => existsSync(join(cluster.stateDir(name), 'nodes', 'worker-2'))),
      [false, false]
    )
    t.match(
      (await cluster.ask('check')).results.find(({ node }) => node === 'worker-2'),
      { success: true },
      'the others are told as good'
    )
  })

  await t.test('is checked as it is deployed, too', async t => {
    t.match((await cluster.ask('check', { deployed: true, instances: ['sensor-2'] })).results, [
      { node: 'worker-1', success: false }
    ])
    writeFileSync(script, '')
    t.same(
      (await cluster.ask('check', { deployed: true })).results.flatMap(({ error }) => error ?? []),
      []
    )
  })
})
