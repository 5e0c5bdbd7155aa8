import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { getJson, openStream, type Stream } from '../support/client.js'
import { Cluster } from './cluster.js'

const workers = ['worker-1', 'worker-2', 'worker-3']

await t.test(
  'nodes that run and do not do their work make the cluster not ready until they do',
  { timeout: 300_000 },
  async t => {
    const cluster = new Cluster(t)
    await cluster.start(['sensor-1'], {
      'agent-stats-interval': '0.2',
      'controller-health-interval': '0.1',
      'controller-health-logs-idle-max': '5'
    })
    const { state } = await cluster.deploy({
      instances: [{ name: 'sensor-1' }],
      nodes: [
        { name: 'manager', instance: 'sensor-1', role: 'MANAGER' },
        { name: 'logger-1', instance: 'sensor-1', role: 'LOGGER' },
        ...workers.map(name => ({ name, instance: 'sensor-1', role: 'WORKER', interface: 'lo' }))
      ]
    })
    t.equal(state, 'succeeded')
    const pids = await cluster.pids()
    const tell = (name: string, what: string) =>
      writeFileSync(join(cluster.stateDir('sensor-1'), 'nodes', name, 'stand-in'), what)

    /** Tells nodes to misbehave until health has the reason, and to behave until it has not. Returns the reason. */
    const misbehaving = async (
      names: readonly string[],
      what: string,
      code: string
    ): Promise<{ node?: string; message: string }> => {
      const stream: Stream = await openStream(t, `${cluster.url}/v1/events?types=notify_health`)
      await stream.next('hello')
      const isSo = ({ reasons }: any) => reasons?.some((reason: any) => reason.code === code)
      for (const name of names) tell(name, what)
      const reason = (await stream.collect(isSo)).at(-1)!.json.reasons.find((reason: any) => reason.code === code)
      t.equal((await fetch(`${cluster.url}/v1/health`)).status, 503)
      for (const name of names) tell(name, '')
      await stream.collect(json => json.reasons && !isSo(json))
      stream.close()
      return reason
    }

    await t.test('a logger whose logs do not grow', async t => {
      t.match(await misbehaving(['logger-1'], 'stall-logs', 'logs_stalled'), {
        node: 'logger-1',
        message: /^logger-1 has written no log for \d+ s, though workers receive \d+ packets a second/
      })
    })

    await t.test('workers that all see the same packets', async t => {
      t.match(await misbehaving(workers, 'duplicate', 'duplicated'), {
        instance: 'sensor-1',
        message: /^worker-1, worker-2, worker-3 count the same packets of lo: /
      })
    })

    await t.test('a worker that gets most of the packets', async t => {
      t.match(await misbehaving(['worker-2'], 'heavy=7', 'imbalance'), {
        instance: 'sensor-1',
        node: 'worker-2',
        message: /^worker-2 receives \S+ times as many packets of lo /
      })
    })

    t.match(await cluster.pids(), pids, 'nobody has restarted anything')
    t.same(
      (await getJson(`${cluster.url}/v1/health`)).reasons.filter(
        ({ code }: any) => code === 'duplicated' || code === 'imbalance'
      ),
      []
    )
  }
)
