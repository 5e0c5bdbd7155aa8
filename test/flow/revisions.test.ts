import t from 'tap'
import { getJson } from '../support/client.js'
import { runCommand } from '../support/command.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const two = ['sensor-1', 'sensor-2'] as const

await t.test('what was deployed before is deployed again', { timeout: 300_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(two)
  const { instances, nodes } = configurationOf(two)
  const renamed = nodes.map(node => (node.role === 'WORKER' ? { ...node, name: 'worker-9' } : node))
  const [before, after] = [configurationOf(two), { instances, nodes: renamed }]
  const running = async () => Object.keys(await cluster.pids()).sort()
  const revisions = async () => (await getJson(`${cluster.url}/v1/revisions`)).revisions
  const rollBack = async (...args: string[]) =>
    await runCommand(['rollback', ...args], { env: { ZEEK_CLUSTER_URL: cluster.url } })
  /** Kills the controller, and waits until the next one has all agents. */
  const killController = async () => {
    const { pid } = (await cluster.node('controller'))!
    process.kill(pid!, 'SIGKILL')
    await until(async () => {
      const next = await cluster.node('controller').catch(() => undefined)
      return next?.pid !== undefined && next.pid !== pid
    }, 'there is another controller')
    await cluster.connected(...two)
  }

  t.equal((await cluster.deploy(before, { comment: 'before' })).state, 'succeeded')
  t.equal((await cluster.deploy(after, { comment: 'after' })).state, 'succeeded')
  t.same(await running(), ['logger-1', 'manager', 'worker-9'])

  await t.test('with its nodes, and as what is staged', async t => {
    const { code, stderr } = await rollBack()
    t.equal(code, 0, stderr)
    t.match(stderr, /^revision 1 instead of 2: 1 node added, 1 node removed\n/)
    t.match(stderr, /✔ deployed: 3 nodes, revision 3\n$/)
    t.same(await running(), ['logger-1', 'manager', 'worker-1'])
    await cluster.reaches('worker-1', 'RUNNING')
    t.match((await getJson(`${cluster.url}/v1/configurations/staged`)).configuration, before)
  })

  await t.test('and it stays so when the controller is restarted', async t => {
    const pids = await cluster.pids()
    await killController()
    await cluster.reaches('worker-1', 'RUNNING')
    t.same(await cluster.pids(), pids, 'no node is touched')
    t.match(await revisions(), [
      { revision: 3, deployed: true, outcome: 'succeeded', comment: 'revision 1 again', created_by: 'anyone' },
      { revision: 2, deployed: false, comment: 'after' },
      { revision: 1, comment: 'before' }
    ])
    t.equal((await cluster.ask('deploy')).state, 'succeeded')
    t.same(await running(), ['logger-1', 'manager', 'worker-1'], 'the next deployment brings nothing back')
  })

  await t.test('a deployment in which the controller dies is interrupted, and can be taken back', async t => {
    const hanging = configurationOf(two, [{ name: 'worker-1', env: { STAND_IN: 'hang' } }])
    await cluster.ask('stage_configuration', { config: hanging })
    const { reqid } = (await (await fetch(`${cluster.url}/v1/requests/deploy`, { method: 'POST' })).json()) as any
    await cluster.reaches('worker-1', 'PENDING')
    t.match((await revisions())[0], { revision: 5, outcome: 'pending', reqid, deployed: true })
    await killController()
    t.match((await revisions())[0], { revision: 5, outcome: 'interrupted', reqid, deployed: true })
    const { code, stderr } = await rollBack('1', '--comment', 'it hangs')
    t.equal(code, 0, stderr)
    await cluster.reaches('worker-1', 'RUNNING')
    t.match((await revisions())[0], { revision: 6, outcome: 'succeeded', comment: 'it hangs', deployed: true })
  })
})
