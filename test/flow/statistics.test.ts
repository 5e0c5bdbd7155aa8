import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openStream } from '../support/client.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

await t.test('the statistics of a cluster', { timeout: 170_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(['sensor-1', 'sensor-2'], { 'agent-stats-interval': '1' })
  t.equal((await cluster.deploy(configurationOf(['sensor-1', 'sensor-2']))).state, 'succeeded')
  const statsOf = async (node: string) =>
    (await cluster.ask('get_node_stats', { nodes: [node] })).results[0]?.data?.stats
  const stats = async (node = 'worker-1') => (await statsOf(node))!

  await t.test('tell what each node uses and sees', async t => {
    // Rates need two samples of the node's own figures.
    await until(async () => (await stats()).packets_per_second !== undefined, 'the worker has told its figures twice')
    const { state, results } = await cluster.ask('get_node_stats')
    t.equal(state, 'succeeded')
    const pids = await cluster.pids()
    for (const { node, instance, data } of results) {
      t.match(data?.stats, {
        node,
        pid: pids[node!],
        memory_bytes: Number,
        packets_received: Number,
        interval: Number,
        cpu_percent: Number
      })
      t.equal(instance, node === 'worker-1' ? 'sensor-2' : 'sensor-1')
    }
    const worker = results.find(({ node }) => node === 'worker-1')?.data?.stats
    t.match(worker, { packets_dropped: 0, packet_lag: 0.001, sessions: 3, idle: 0, dropped_percent: 0 })
    t.ok(worker!.packets_per_second! > 0)
    t.equal(results.find(({ node }) => node === 'manager')?.data?.stats?.idle, undefined)
  })

  await t.test('can be watched, as events before the response', async t => {
    const stream = await openStream(
      t,
      `${cluster.url}/v1/events?types=get_node_stats_request,node_stats,get_node_stats_response`
    )
    await stream.next('hello')
    const response = await fetch(`${cluster.url}/v1/requests/get_node_stats`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ roles: ['WORKER'], watch: true, interval: 1, duration: 2 })
    })
    const { reqid } = (await response.json()) as { reqid: string }
    const events = (await stream.collect(({ type }) => type === 'get_node_stats_response')).map(({ json }) => json)
    t.equal(events[0].type, 'get_node_stats_request')
    const parts = events.slice(1, -1)
    t.ok(parts.length >= 2)
    for (const part of parts) {
      t.match(part, {
        type: 'node_stats',
        reqid,
        instance: 'sensor-2',
        stats: [{ node: 'worker-1', packets_received: Number }]
      })
    }
    t.ok(parts.at(-1).stats[0].packets_received > parts[0].stats[0].packets_received)
    t.match(events.at(-1), {
      reqid,
      state: 'succeeded',
      results: [{ node: 'worker-1', data: { stats: parts.at(-1).stats[0] } }]
    })
  })

  await t.test('show that a worker drops packets, and that it receives none', async t => {
    const told = join(cluster.stateDir('sensor-2'), 'nodes', 'worker-1', 'stand-in')
    writeFileSync(told, 'drop=20')
    await until(async () => Math.abs((await stats()).dropped_percent! - 20) < 1, 'a fifth is dropped', 60_000)
    writeFileSync(told, 'deaf')
    await until(async () => (await stats()).idle! > 2, 'it receives nothing', 60_000)
    t.equal((await stats()).packets_per_second, 0)
    writeFileSync(told, '')
    await until(async () => (await stats()).packets_per_second! > 0, 'it receives packets again', 60_000)
  })

  await t.test('begin again with a new process', async t => {
    const before = await stats()
    t.equal((await cluster.ask('restart', { nodes: ['worker-1'] })).state, 'succeeded')
    const after = await stats()
    t.not(after.pid, before.pid)
    t.ok(after.packets_per_second! >= 0 && after.packets_per_second! < 2000, 'its counters are its own')
  })

  await t.test('tell what each instance has', async t => {
    const { state, results } = await cluster.ask('get_instance_stats')
    t.equal(state, 'succeeded')
    t.same(results.map(({ instance }) => instance).sort(), ['sensor-1', 'sensor-2'])
    for (const { instance, data } of results) {
      t.match(data?.instance_stats, {
        zeek_version: '9.0.0',
        file_systems: [{ path: cluster.stateDir(instance!), holds: ['state'] }]
      })
      t.ok(data?.instance_stats?.interfaces.some(({ name }) => name === 'lo'))
    }
  })

  await t.test('say which node does not run', async t => {
    t.equal((await cluster.ask('stop', { nodes: ['worker-1'] })).state, 'succeeded')
    const { state, results } = await cluster.ask('get_node_stats', { nodes: ['worker-1', 'manager', 'ghost'] })
    t.equal(state, 'partial')
    t.same(Object.fromEntries(results.map(({ node, error }) => [node, error])), {
      manager: undefined,
      'worker-1': 'cluster node worker-1 not in running state',
      ghost: 'unknown cluster node'
    })
  })
})
