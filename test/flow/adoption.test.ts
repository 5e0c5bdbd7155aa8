import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { getJson, openStream } from '../support/client.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf, start } from './cluster.js'

const two = ['sensor-1', 'sensor-2'] as const

await t.test('nodes outlive whatever manages them', { timeout: 300_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(two)
  t.equal((await cluster.deploy(configurationOf(two))).state, 'succeeded')
  const pids = await cluster.pids()
  /** The next supervisor of sensor-2 takes its nodes over as they were, and starts one again that is killed. */
  const adopts = async (t: Test, before: typeof pids) => {
    await cluster.startHost('sensor-2', false)
    await cluster.connected('sensor-2')
    await cluster.reaches('worker-1', 'RUNNING')
    t.same(await cluster.pids(), before)
    process.kill(before['worker-1']!, 'SIGKILL')
    await cluster.reaches('worker-1', 'RUNNING', before['worker-1']!)
  }

  await t.test('a controller that is killed comes back with all that it knew', async t => {
    const { event_cursor: cursor } = await getJson(`${cluster.url}/v1/nodes`)
    const { pid } = (await cluster.node('controller'))!
    process.kill(pid!, 'SIGKILL')
    await until(() => !isRunning(pid!), 'the controller is gone')
    await until(
      () =>
        fetch(`${cluster.url}/readyz`).then(
          ({ ok }) => ok,
          () => false
        ),
      'the controller is back'
    )
    await cluster.connected(...two)
    await cluster.reaches('worker-1', 'RUNNING')
    t.same(await cluster.pids(), pids)
    t.equal((await getJson(`${cluster.url}/v1/configurations/deployed`)).configuration.nodes.length, 3)
    t.ok((await getJson(`${cluster.url}/v1/requests?type=deploy`)).requests.length === 1)
    const stream = await openStream(t, `${cluster.url}/v1/events`, { 'last-event-id': cursor })
    t.match(await stream.next(), { json: { type: 'hello', resumed: true } })
    stream.close()
  })

  await t.test('an agent that is killed comes back and finds its nodes', async t => {
    const { pid } = (await cluster.node('sensor-1'))!
    process.kill(pid!, 'SIGKILL')
    await cluster.reaches('sensor-1', 'RUNNING', pid!)
    await cluster.reaches('manager', 'RUNNING')
    t.same(await cluster.pids(), pids)
  })

  await t.test(
    'the next supervisor adopts the nodes of one that was killed, and goes on looking after them',
    async t => {
      const host = cluster.hosts.get('sensor-2')!
      const agent = (await cluster.node('sensor-2'))!.pid!
      await host.stop('SIGKILL')
      await until(() => !isRunning(agent), 'its agent has ended with it')
      t.ok(isRunning(pids['worker-1']!))
      await adopts(t, pids)
    }
  )

  await t.test(
    'a supervisor that is to leave the nodes ends with its roles only, and its successor goes on',
    async t => {
      const before = await cluster.pids()
      const host = cluster.hosts.get('sensor-2')!
      const agent = (await cluster.node('sensor-2'))!.pid!
      await host.stop('SIGUSR2')
      t.equal(host.child.exitCode, 0)
      t.notOk(isRunning(agent))
      t.ok(isRunning(before['worker-1']!))
      await adopts(t, before)
    }
  )

  await t.test('a second supervisor of the same directory is refused with one line', async t => {
    const { status, stderr } = start([
      '--agent',
      `--management-state-dir=${cluster.stateDir('sensor-2')}`,
      '--agent-name=sensor-2'
    ])
    t.equal(status, 1)
    t.equal(stderr.trim().split('\n').length, 1)
    t.match(stderr, /another zeek-cluster runs with the state directory/)
  })

  await t.test('a clean stop leaves no process behind', async t => {
    const all = [...Object.values(await cluster.pids()), ...(await cluster.nodes()).map(({ pid }) => pid)] as number[]
    const stream = await openStream(t, `${cluster.url}/v1/events`)
    await stream.next('hello')
    for (const name of [...two].reverse()) await cluster.hosts.get(name)!.stop()
    t.same(all.filter(isRunning), [])
    t.match((await stream.collect()).at(-1), { json: { type: 'goodbye', reason: 'shutdown', reconnect: true } })
    t.equal(cluster.hosts.get('sensor-1')!.child.exitCode, 0)
  })

  await t.test('an agent starts its last configuration without waiting for a controller', async t => {
    await cluster.startHost('sensor-2', false)
    const record = join(cluster.stateDir('sensor-2'), 'supervisor', 'worker-1.pid')
    await until(() => existsSync(record), 'worker-1 is started')
    await cluster.startHost('sensor-1', true)
    await cluster.connected(...two)
    await cluster.reaches('worker-1', 'RUNNING')
    t.equal((await cluster.node('worker-1'))?.pid, Number(readFileSync(record, 'utf8').split('\n')[0]))
  })
})
