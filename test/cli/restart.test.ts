import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { startCommand } from '../support/command.js'
import { directoryOf } from '../support/directory.js'
import { startHost } from '../support/host.js'
import { freePorts, portFlags } from '../support/ports.js'
import { childrenOf } from '../support/running.js'
import { until } from '../support/until.js'

const configuration = {
  instances: [{ name: 'sensor-1' }],
  nodes: [
    { name: 'manager', instance: 'sensor-1', role: 'MANAGER' },
    { name: 'worker-1', instance: 'sensor-1', role: 'WORKER', interface: 'lo', env: { STAND_IN: 'slow=600000' } }
  ]
}

await t.test('a controller that is killed and restarted', { timeout: 300_000 }, async t => {
  const [http, agents] = (await freePorts(2)) as [number, number]
  const flags = {
    'management-state-dir': directoryOf(t),
    'controller-websocket-port': String(http),
    'controller-port': String(agents),
    'controller-connect-grace': '20',
    'management-log-level': 'warn',
    ...portFlags()
  }
  const first = await startHost(t, flags, ['--controller'])
  await startTestAgent(t, 'sensor-1', agents)
  const start = (line: string, stdin = '') =>
    startCommand(line.split(' '), { stdin, env: { ZEEK_CLUSTER_URL: `http://127.0.0.1:${http}` } })
  const run = async (line: string) => await start(line).ended
  await until(async () => (await run('instances')).stdout.includes(' connected '), 'sensor-1 is connected')

  const events = start('events --from earliest --json')
  const deploying = start('deploy - --no-check', JSON.stringify(configuration))
  await until(() => deploying.written.stderr.includes('manager: RUNNING'), 'it is under way')
  // Of the supervisor, which starts another.
  const [controller] = childrenOf(first.pid)
  process.kill(controller!, 'SIGKILL')

  const { code, stdout, stderr } = await deploying.ended
  t.equal(code, 1, stderr)
  t.match(stdout, /request interrupted/)
  t.match(stderr, /\nconnection lost \(.*\); trying again\n[^]*connected again\n[^]*✖ not deployed\n$/)

  await until(() => events.written.stdout.includes('deploy_response'), 'its end is told')
  events.interrupt()
  const told = (await events.ended).stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  const cursors = told.map(({ cursor }) => Number(cursor.split('.')[1]))
  t.same(
    cursors,
    [...new Set(cursors)].sort((a, b) => a - b),
    'in order, and none twice'
  )
  t.same(
    told.filter(({ type }) => /^deploy_/.test(type)).map(({ type, state }) => [type, state]),
    [
      ['deploy_request', undefined],
      ['deploy_response', 'interrupted']
    ]
  )
  t.equal(first.child.exitCode, null, 'the supervisor has gone on')
})
