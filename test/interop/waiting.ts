import type { Test } from 'tap'
import { Cluster } from '../flow/cluster.js'
import { getJson } from '../support/client.js'
import { until } from '../support/until.js'
import { clusterCfg, deployed, three } from './cluster-cfg.js'
import { ZeekClient, type Program } from './zeek-client.js'

/** Whoever waits for a deployment hears of its end: in zeek-client's own time, and of a controller that goes. */
export async function waiting(t: Test, program: Program): Promise<void> {
  const cluster = new Cluster(t)
  await cluster.start(three)
  const client = new ZeekClient(t, program, cluster)
  const hanging = async () => {
    await client.must('stage-config -', clusterCfg({ 'worker-2': 'env = STAND_IN=hang' }))
    const running = client.start('deploy')
    await until(
      async () => (await getJson(`${cluster.url}/v1/requests?type=deploy&state=pending`)).requests.length === 1,
      'the deployment is under way'
    )
    return running
  }
  const end = async (signal: NodeJS.Signals) => process.kill((await cluster.node('controller'))!.pid!, signal)
  const deploys = async (t: Test) => {
    await until(
      () =>
        fetch(cluster.url).then(
          () => true,
          () => false
        ),
      'the controller listens again',
      60_000
    )
    await cluster.connected(...three)
    t.match((await client.must('deploy-config -', clusterCfg())).json, deployed)
  }

  await t.test(
    'others are served meanwhile, though none may deploy; the answer comes before the 20 seconds of zeek-client are over',
    async t => {
      const deployment = await hanging()
      const second = await client.run('deploy')
      t.equal(second.exit, 1)
      t.match(second.json, { errors: [/^earlier deployment \S+ still pending$/], results: {} })
      await cluster.reaches('worker-2', 'PENDING')
      t.match((await client.must('get-nodes')).json.results['sensor-3'], {
        'worker-2': { state: 'PENDING', pid: Number }
      })
      t.match(await client.run('restart ghost'), {
        exit: 1,
        json: { errors: [{ error: 'unknown cluster node', source: 'ghost' }] }
      })
      t.equal(deployment.child.exitCode, null, 'the deployment is still under way')

      const { exit, json } = await deployment.done
      t.equal(exit, 1)
      t.match(json.errors, [/^request timed out: worker-2 still starting after 1\d s$/])
      t.match(json.results, {
        id: String,
        nodes: {
          manager: { success: true },
          'logger-1': { success: true },
          'worker-1': { success: true },
          'worker-2': { instance: 'sensor-3', success: false }
        }
      })
      await deploys(t)
    }
  )

  await t.test('a client whose controller is killed hears of it, and the next one is served', async t => {
    const { done } = await hanging()
    await end('SIGKILL')
    t.match(await done, { exit: 1, stdout: '', said: /no response received: .*Connection to remote host was lost/ })
    await deploys(t)
  })

  await t.test('a client whose controller is stopped gets its answer before', async t => {
    const { done } = await hanging()
    await end('SIGTERM')
    t.match(await done, { exit: 1, json: { errors: ['request interrupted'] } })
    await deploys(t)
  })
}
