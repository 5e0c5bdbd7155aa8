import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ClusterRequest } from '../../schemas/api.js'
import type { ElasticGroupStatus } from '../../schemas/groups.js'
import { getJson } from '../support/client.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const instances = ['sensor-1', 'sensor-2'] as const
const { nodes, ...rest } = configurationOf(instances)
const withWorkers = (workers: object | number) => ({
  ...rest,
  nodes: nodes.filter(({ role }) => role !== 'WORKER'),
  groups: [{ name: 'uplink', instance: 'sensor-2', interface: 'lo', workers }]
})
// What a machine that is busy with other things makes of their CPU is of no matter: they are idle, or drop.
const elastic = {
  min: 1,
  max: 3,
  max_drop_percent: 5,
  max_cpu_percent: 100,
  min_cpu_percent: 99,
  window_seconds: 2,
  cooldown_seconds: 1
}

await t.test('workers of an elastic group run while there is work for them', { timeout: 400_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(instances, { 'controller-health-interval': '0.2' })
  const misbehave = (node: string, what: string) =>
    writeFileSync(join(cluster.stateDir('sensor-2'), 'nodes', node, 'stand-in'), what)
  const group = async (): Promise<ElasticGroupStatus> => (await getJson(`${cluster.url}/v1/elastic-groups`)).groups[0]
  const runs = async (...names: string[]) =>
    await until(
      async () => {
        const now = await group()
        return String(now.running) === String(names) ? now : undefined
      },
      `${names.join(', ')} run`
    )
  const requests = async (type: string): Promise<ClusterRequest[]> =>
    (await getJson(`${cluster.url}/v1/requests?type=${type}`)).requests
  const healthCodes = async (): Promise<string[]> =>
    (await getJson(`${cluster.url}/v1/health`)).reasons.map(({ code }: { code: string }) => code)

  await t.test('at first as many run as must, and the others are spares', async t => {
    const { state, results } = await cluster.deploy(withWorkers(elastic))
    t.equal(state, 'succeeded', JSON.stringify(results))
    t.match(await cluster.reaches('uplink-1', 'RUNNING'), { desired_state: 'RUNNING' })
    for (const node of ['uplink-2', 'uplink-3']) {
      t.match(await cluster.node(node), { state: 'STOPPED', desired_state: 'STOPPED', reason: 'is a spare' })
    }
    const { changed_at: changed, ...now } = await group()
    t.equal(changed, undefined)
    t.match(now, { name: 'uplink', instance: 'sensor-2', running: ['uplink-1'], spares: ['uplink-2', 'uplink-3'] })
    t.same(now.workers, elastic)
    t.match(await cluster.ask('restart', { nodes: ['uplink-2'] }), {
      state: 'failed',
      results: [{ error: 'node uplink-2 is a spare: start it' }]
    })
  })

  const before = await cluster.pids()
  const others = ['manager', 'logger-1', 'uplink-1']
  /** The processes of the others are those that they were. */
  const areLeft = async (t: Test, names = others) => {
    const now = await cluster.pids()
    for (const name of names) t.equal(now[name], before[name], `${name} is the same process`)
  }

  await t.test('one that drops packets gets another one, and only that is touched', async t => {
    misbehave('uplink-1', 'drop=30')
    const { reason } = await runs('uplink-1', 'uplink-2')
    t.match(
      reason,
      /^uplink on sensor-2: dropped [\d.]+ % of its packets in \d+ s, 5 % is allowed; 1 of 3 workers run$/
    )
    await cluster.reaches('uplink-2', 'RUNNING')
    const [request, ...more] = await requests('start')
    t.same(more, [])
    t.match(request, { arguments: { nodes: ['uplink-2'], comment: reason } })
    const { entries } = await getJson(`${cluster.url}/v1/audit?limit=50`)
    t.match(
      entries.filter(({ action }: { action: string }) => action === 'start'),
      [{ name: 'elastic' }, { name: 'elastic' }]
    )
    await areLeft(t)
  })

  await t.test('what an operator has stopped stays so, and one that has no more workers says so', async t => {
    t.equal((await cluster.ask('stop', { nodes: ['uplink-3'], comment: 'its CPU is needed' })).state, 'succeeded')
    await until(async () => (await healthCodes()).includes('elastic_exhausted'), 'it is exhausted')
    t.match(await group(), { running: ['uplink-1', 'uplink-2'], spares: [] })
    t.match(await cluster.node('uplink-3'), { state: 'STOPPED', desired_state: 'STOPPED' })
    t.equal((await requests('start')).length, 1)
  })

  await t.test('a controller that is killed goes on where it was', async t => {
    const was = await group()
    const { pid } = (await cluster.node('controller'))!
    process.kill(pid!, 'SIGKILL')
    await until(
      async () => ![undefined, pid].includes((await cluster.node('controller').catch(() => undefined))?.pid),
      'it is another process'
    )
    await cluster.connected(...instances)
    t.same(await group(), was)
    await areLeft(t)
  })

  await t.test('one that is idle is stopped, and only that is touched', async t => {
    for (const node of ['uplink-1', 'uplink-2']) misbehave(node, 'deaf')
    const { reason } = await runs('uplink-1')
    t.match(
      reason,
      /^uplink on sensor-2: each worker used [\d.]+ % of a CPU in \d+ s, less than 99 %, and dropped nothing; 2 of 2/
    )
    t.match(await cluster.reaches('uplink-2', 'STOPPED'), { desired_state: 'STOPPED', reason: 'is a spare' })
    t.match((await requests('stop'))[0], { arguments: { nodes: ['uplink-2'], comment: reason } })
    t.same((await group()).spares, ['uplink-2'], "the other one is still an operator's")
    await areLeft(t)
  })

  await t.test('spares stay so, whatever is restarted or deployed', async t => {
    const agent = (await cluster.node('sensor-2'))!.pid!
    process.kill(agent, 'SIGKILL')
    await cluster.reaches('sensor-2', 'RUNNING', agent)
    await cluster.reaches('uplink-2', 'STOPPED')
    const { state, results } = await cluster.ask('deploy', { strategy: 'by_role', min_healthy_seconds: 0 })
    t.equal(state, 'succeeded', JSON.stringify(results))
    t.match(await group(), { running: ['uplink-1'], spares: ['uplink-2'] })
    await areLeft(t)
  })

  await t.test('a group that must run more does at once; one that is elastic no more runs all', async t => {
    const { state, results } = await cluster.deploy(withWorkers({ ...elastic, min: 2 }), {
      strategy: 'rolling',
      min_healthy_seconds: 0
    })
    t.equal(state, 'succeeded', JSON.stringify(results))
    t.match(await group(), { running: ['uplink-1', 'uplink-2'], spares: [] })
    await areLeft(t)
    t.equal((await cluster.deploy(withWorkers(3))).state, 'succeeded')
    t.equal(await group(), undefined)
    t.match(await cluster.node('uplink-2'), { desired_state: 'RUNNING' })
    t.match(await cluster.node('uplink-3'), { desired_state: 'STOPPED' }, 'but for what an operator has stopped')
  })
})
