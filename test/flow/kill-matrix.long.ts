/**
 * Whoever is killed, and whoever is killed while that is being mended: what is deployed runs again, each node once, and
 * what was not killed keeps its process.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import { readIdentity, isAlive } from '../../src/supervisor/process.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'
import { Service } from './service.js'

const victims = ['supervisor', 'controller', 'agent', 'node'] as const
type Victim = (typeof victims)[number]
/** Enough for each change; KILL_MATRIX=all takes each of them after each, and alone. */
const pairs: (readonly [first: Victim, second?: Victim])[] =
  process.env['KILL_MATRIX'] === 'all'
    ? victims.flatMap(first => [[first] as const, ...victims.map(second => [first, second] as const)])
    : [
        ...victims.map(second => ['supervisor', second] as const),
        ['controller', 'agent'],
        ['agent', 'controller'],
        ['agent', 'node'],
        ['node', 'supervisor'],
        ['node']
      ]
const programs = { supervisor: undefined, controller: 'controller', agent: 'sensor-1', node: 'worker-1' }

await t.test('the cluster outlives every kill, and every kill that follows it', { timeout: 400_000 }, async t => {
  const cluster = new Cluster(t)
  const flags = await cluster.prepare({
    'management-restart-delay-max': '0.5',
    'management-retry-max': '0.5',
    'agent-restart-reset': '0.1'
  })
  const state = cluster.stateDir('sensor-1')
  const service = Service.start(t, ['--controller', '--agent'], {
    ...flags,
    'agent-name': 'sensor-1',
    'management-state-dir': state
  })
  await cluster.connected('sensor-1')
  const config = configurationOf(['sensor-1'])
  config.nodes.push({ name: 'worker-1', instance: 'sensor-1', role: 'WORKER', interface: 'lo' })
  t.equal((await cluster.deploy(config)).state, 'succeeded')

  /** Its process, once it has one other than that. */
  const processOf = (victim: Victim, pidNot?: number) =>
    until(() => {
      const identity = readIdentity(join(state, 'supervisor', `${programs[victim]}.pid`))
      const pid = victim === 'supervisor' ? service.pid : identity && isAlive(identity) ? identity.pid : undefined
      return pid !== pidNot && pid
    }, `the ${victim} has been started`)

  /** The process of each node, once all is as it was deployed, and the controller says so. */
  const whole = () =>
    until(
      async () => {
        const shown = await cluster.nodes().catch(() => [])
        const running = nodeProcesses(join(state, 'nodes'))
        return (
          shown.length === 5 &&
          shown.every(({ state }) => state === 'RUNNING') &&
          running.length === 3 &&
          running.every(([name, pid]) => shown.some(({ node, pid: its }) => node === name && its === pid)) &&
          Object.fromEntries(running)
        )
      },
      'each node runs once, as the controller says',
      30_000
    )

  for (const [first, second] of pairs) {
    await t.test(second === undefined ? first : `${first}, then ${second}`, async t => {
      const { 'worker-1': worker, ...untouched } = await whole()
      const pids = Object.fromEntries(
        await Promise.all(victims.map(async victim => [victim, await processOf(victim)] as const))
      )
      process.kill(pids[first]!, 'SIGKILL')
      if (second !== undefined) {
        // What dies with the supervisor is killed when its successor starts; and a second supervisor, when it has begun
        // to work.
        if (first === 'supervisor' && second === first) await processOf('controller', pids['controller'])
        process.kill(
          await processOf(
            second,
            second === first || (first === 'supervisor' && second !== 'node') ? pids[second] : undefined
          ),
          'SIGKILL'
        )
      }
      await until(async () => (await processOf(first)) !== pids[first], `there is another ${first}`)
      const { 'worker-1': workerNow, ...others } = await whole()
      t.same(others, untouched)
      t.equal(workerNow === worker, first !== 'node' && second !== 'node')
    })
  }
})

/** The processes that there are in the nodes' directories, whoever knows of them. */
function nodeProcesses(directory: string): [node: string, pid: number][] {
  return readdirSync('/proc').flatMap(pid => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const path = readlinkSync(`/proc/${pid}/cwd`)
      return dirname(path) === directory ? [[basename(path), Number(pid)] as [string, number]] : []
    } catch {
      // It is gone, or not ours.
      return []
    }
  })
}
