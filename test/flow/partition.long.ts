/**
 * Links that break in every way there is: cut without a word, in one direction, with a process that is frozen at one
 * end,
 * with clocks that jump. It runs in a network of its own, and has another one for the far side.
 */
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { readIdentity } from '../../src/supervisor/process.js'
import { hasBlob, pushBlob } from '../support/blob.js'
import { openStream } from '../support/client.js'
import { isRunning } from '../support/running.js'
import { ownNetwork, whyNoNetwork } from '../support/namespace.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'
import { far, near, Network } from './network.js'
import { Service } from './service.js'
import { fixture } from '../support/environment.js'

const clock = fixture('flow', 'clock.mjs')
const three = ['sensor-1', 'sensor-2', 'sensor-3'] as const
const lost = 'notify_agent_lost'
const megabyte = 1024 * 1024

if (process.env['OWN_NETWORK']) await t.test('what is lost between two networks', { timeout: 390_000 }, partition)
else {
  const skip = whyNoNetwork()
  const [command = '', ...args] = [...ownNetwork, process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)]
  if (skip) t.pass('in a network of its own', { skip })
  else await t.spawn(command, args, { env: { ...process.env, OWN_NETWORK: '1' } }, 'in a network of its own')
}

async function partition(t: Test): Promise<void> {
  const network = await Network.open(t)
  const cluster = new Cluster(t)
  const flags = await cluster.prepare({
    'controller-addr': near,
    'management-retry-max': '0.5',
    'controller-connect-grace': '0.5'
  })
  Object.assign(flags, { 'agent-controller': `${near}:${flags['controller-port']}` })
  const flagsOf = (name: string) => ({ ...flags, 'agent-name': name, 'management-state-dir': cluster.stateDir(name) })
  const env = { NODE_OPTIONS: `--import=${clock}` }
  Service.start(t, ['--controller', '--agent'], flagsOf('sensor-1'), { env })
  // One dials, the other is dialled.
  Service.start(t, ['--agent'], flagsOf('sensor-2'), { env, prefix: network.prefix })
  Service.start(
    t,
    ['--agent'],
    { ...flagsOf('sensor-3'), 'agent-controller': 'none', 'agent-addr': far, 'agent-port': '2151' },
    { env, prefix: network.prefix }
  )
  await cluster.connected('sensor-1', 'sensor-2')
  const config = configurationOf(three)
  config.instances[2] = { name: 'sensor-3', host: far, listen_port: 2151 }
  t.equal(
    await until(async () => {
      const { state } = await cluster.deploy(config)
      return state === 'succeeded' && state
    }, 'it is deployed'),
    'succeeded'
  )

  const follow = async (types: string) => {
    const stream = await openStream(t, `${cluster.url}/v1/events?types=${types}`)
    await stream.next('hello')
    return stream
  }
  const pidOf = (name: string) => readIdentity(join(cluster.stateDir(name), 'supervisor', `${name}.pid`))!.pid
  const whole = async () => {
    for (const name of ['manager', 'logger-1', 'worker-1', 'worker-2']) await cluster.reaches(name, 'RUNNING')
    return await cluster.pids()
  }

  for (const way of ['both', 'there', 'back'] as const) {
    await t.test(`what is cut (${way}) is lost, its nodes are UNKNOWN and run on, and it is found again`, async t => {
      const before = await whole()
      const stream = await follow(`${lost},notify_change`)
      network.cut(way)
      const events = [await stream.next(lost), await stream.next(lost)].map(event => event?.json)
      t.same(events.map(({ instance }) => instance).sort(), ['sensor-2', 'sensor-3'])
      for (const name of ['worker-1', 'worker-2']) await cluster.reaches(name, 'UNKNOWN')
      t.equal((await cluster.node('manager'))?.state, 'RUNNING')
      t.ok(Object.values(before).every(pid => isRunning(pid!)))
      network.heal()
      t.same(await whole(), before)
    })
  }

  await t.test(
    'what is deployed meanwhile is brought to the others when they are back, and only what differs is touched',
    async t => {
      const before = await whole()
      network.cut()
      for (const name of ['worker-1', 'worker-2']) await cluster.reaches(name, 'UNKNOWN')
      const { nodes, instances } = configurationOf(three, [{ name: 'worker-1', options: { 'Demo::level': '7' } }])
      const { results } = await cluster.deploy({
        nodes,
        instances: [instances[0], { ...instances[1], host: far }, config.instances[2]]
      })
      t.same(
        new Set(results.filter(({ success }) => !success).map(({ error }) => error)),
        new Set(['instance sensor-2 is not connected', 'instance sensor-3 is not connected'])
      )
      process.kill(before['worker-2']!, 'SIGKILL')
      await until(
        () =>
          readIdentity(join(cluster.stateDir('sensor-3'), 'supervisor', 'worker-2.pid'))?.pid !== before['worker-2'],
        'the agent needs no controller to start it again'
      )
      network.heal()
      await cluster.reaches('worker-1', 'RUNNING', before['worker-1'])
      const after = await whole()
      t.match(await cluster.ask('get_id_value', { id: 'Demo::level', nodes: ['worker-1'] }), {
        results: [{ data: { value: '7' } }]
      })
      t.same({ ...after, 'worker-1': 0, 'worker-2': 0 }, { ...before, 'worker-1': 0, 'worker-2': 0 })
    }
  )

  await t.test('a restart that is lost with its link is not done later', async t => {
    const before = await whole()
    network.cut('there')
    const asked = cluster.ask('restart', { nodes: ['worker-1', 'worker-2'] })
    t.match((await asked).results, [
      { success: false, error: /^the link is closed: / },
      { success: false, error: /^the link is closed: / }
    ])
    network.heal()
    t.same(await whole(), before)
  })

  await t.test('a restart that is delayed on its way is done once', async t => {
    const before = await whole()
    const stream = await follow('notify_change,restart_request,restart_response')
    network.cut('there')
    const asked = cluster.ask('restart', { nodes: ['worker-1'] })
    await stream.next('restart_request')
    network.heal()
    t.equal((await asked).state, 'succeeded')
    const changes = (await stream.collect(({ type }) => type === 'restart_response')).filter(
      ({ json }) => json.new_state === 'PENDING'
    )
    t.equal(changes.length, 1)
    t.not((await whole())['worker-1'], before['worker-1'])
  })

  await t.test('a frozen agent does not do on waking what has timed out, and its late answer is told', async t => {
    const before = await whole()
    const stream = await follow('notify_log')
    process.kill(pidOf('sensor-2'), 'SIGSTOP')
    const { state, reqid } = await cluster.ask('restart', { nodes: ['worker-1'] }, '?timeout=0.2')
    process.kill(pidOf('sensor-2'), 'SIGCONT')
    t.equal(state, 'timed_out')
    t.match((await stream.next())?.json, {
      instance: 'sensor-2',
      message: `late answer to restart of request ${reqid}: request timed out`
    })
    t.same(await whole(), before)
  })

  await t.test('an agent that is frozen for longer is lost, and does not do on waking what was given up', async t => {
    const before = await whole()
    process.kill(pidOf('sensor-2'), 'SIGSTOP')
    const { results } = await cluster.ask('restart', { nodes: ['worker-1'] })
    t.match(results, [{ success: false, error: 'the link is closed: heartbeat missed' }])
    t.equal((await cluster.node('worker-1'))?.state, 'UNKNOWN')
    process.kill(pidOf('sensor-2'), 'SIGCONT')
    t.same(await whole(), before)
  })

  await t.test('a frozen controller is lost to its agents, who come back when it wakes', async t => {
    const before = await whole()
    const pid = (await cluster.node('controller'))!.pid!
    const stream = await follow('notify_agents_ready')
    const losses = () =>
      readFileSync(join(cluster.stateDir('sensor-2'), 'management-sensor-2.log'), 'utf8').split(
        'lost the controller: heartbeat missed'
      ).length
    const already = losses()
    process.kill(pid, 'SIGSTOP')
    await until(() => losses() > already, 'the agent has noticed')
    process.kill(pid, 'SIGCONT')
    t.match((await stream.next())?.json, { instances: [...three] })
    t.same(await whole(), before)
  })

  await t.test('a clock that jumps costs no link and no answer', async t => {
    const before = await whole()
    const stream = await follow(`${lost},restart_response`)
    const { pid } = (await cluster.node('controller'))!
    for (const way of ['forward', 'back']) {
      for (const jumping of [pid!, pidOf('sensor-2')]) process.kill(jumping, 'SIGUSR2')
      t.equal((await cluster.ask('restart', { nodes: ['worker-1'] })).state, 'succeeded', way)
      t.match((await stream.next())?.json, { type: 'restart_response' })
    }
    t.same({ ...(await whole()), 'worker-1': 0 }, { ...before, 'worker-1': 0 })
  })

  await t.test('a bundle whose link is cut on its way goes on where it was, and no node notices', async t => {
    const content = join(cluster.stateDir('sensor-2'), 'content')
    const withBundle = { ...config, bundle: 'site' }
    const first = await pushBlob(cluster.url, 'site', 1)
    t.equal((await cluster.deploy(withBundle)).state, 'succeeded')
    const before = await whole()
    const blob = await pushBlob(cluster.url, 'site', 96 * megabyte)
    const fetched = () => statSync(join(content, `${blob.id}.part`), { throwIfNoEntry: false })?.size ?? 0
    const deploying = cluster.deploy(withBundle)
    while (fetched() < 4 * megabyte) await turn()
    network.cut()
    t.match((await deploying).results, [{ success: false, error: /^the link is closed: / }])
    const half = fetched()
    t.ok(half >= 4 * megabyte && half < 96 * megabyte, `${Math.round(half / megabyte)} of 96 MiB had come`)
    t.equal(readlinkSync(join(content, 'current')), first.id)
    network.heal()
    await cluster.connected(...three)
    t.ok(fetched() >= half, 'what has come is kept')
    await until(async () => (await cluster.ask('deploy')).state === 'succeeded', 'it is deployed')
    t.equal(readlinkSync(join(content, 'current')), blob.id)
    t.ok(hasBlob(content, blob))
    t.same(await whole(), before)
  })

  await t.test('of two agents of one name the second is refused, and the first keeps its nodes', async t => {
    const before = await whole()
    const stream = await follow(`${lost},notify_error`)
    const second = Service.start(t, ['--agent'], {
      ...flagsOf('sensor-2'),
      'management-state-dir': cluster.stateDir('another')
    })
    t.match((await stream.next())?.json, {
      type: 'notify_error',
      instance: 'sensor-2',
      message: `there is an agent sensor-2 already, at ${far}`
    })
    t.match((await stream.next())?.json, { type: 'notify_error' })
    await second.stop()
    t.same(await whole(), before)
  })
}
