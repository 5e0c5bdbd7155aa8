import { readFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import type { Replica } from '../../schemas/replication.js'
import { ask, getJson, openStream } from '../support/client.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, mainProgram } from '../support/environment.js'
import { startHost } from '../support/host.js'
import { noNats, startNats } from '../support/nats.js'
import { freePorts, portFlags } from '../support/ports.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'

const names = ['c1', 'c2', 'c3']
const sensors = ['sensor-1', 'sensor-2']

/** The process of the only role that a supervisor has launched. */
const roleOf = (supervisor: number) =>
  Number(readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim())

await t.test('three controllers, two sensors', { skip: noNats, timeout: 240_000 }, async t => {
  const nats = await startNats(t)
  const directory = directoryOf(t)
  const ports = await freePorts(names.length * 2)
  const all = { 'management-heartbeat': '0.5', 'management-log-level': 'warn', ...portFlags() }
  const settings = names.map((name, n) => ({
    ...all,
    'controller-name': name,
    'controller-websocket-port': String(ports[2 * n]),
    'controller-port': String(ports[2 * n + 1]),
    'controller-nats': nats.urls.join(','),
    'controller-nats-monitors': nats.monitors.join(','),
    'controller-nats-replicas': '1',
    'controller-events-heartbeat': '600',
    'management-state-dir': join(directory, name)
  }))
  const urls = new Map(names.map((name, n) => [name, `http://127.0.0.1:${ports[2 * n]}`]))
  const flags = Object.entries(settings[0]!).map(([name, value]) => `--${name}=${value}`)
  const init = ['replication', 'init', '--controllers', names.join(','), ...flags]
  const made = spawnSync(process.execPath, [mainProgram, ...init], { env: cleanEnv, encoding: 'utf8' })
  t.match(made, { status: 0, stdout: /^the log begins in term \d+, at 0/ })

  const hosts = new Map(
    await Promise.all(names.map(async (name, n) => [name, await startHost(t, settings[n]!, ['--controller'])] as const))
  )
  const leader = async (besides?: string) =>
    (await until(async () => {
      for (const [name, url] of urls) {
        if (name === besides) continue
        const { replicas } = await getJson(`${url}/v1/replication`).catch(() => ({ replicas: [] }))
        const leading = replicas.find(({ role }: Replica) => role === 'leader')
        if (leading && leading.name !== besides) return leading.name as string
      }
      return undefined
    }, 'one leads'))!
  const first = await leader()
  const other = names.find(name => name !== first)!
  const url = urls.get(other)!
  const controllers = names.map((_name, n) => `127.0.0.1:${ports[2 * n + 1]}`).join(',')
  const agents = sensors.map(name => ({
    ...all,
    'agent-name': name,
    'agent-controller': controllers,
    'management-state-dir': join(directory, name)
  }))
  await Promise.all(agents.map(async settings => await startHost(t, settings, ['--agent'])))
  const connected = async () =>
    await until(async () => {
      const { instances } = await getJson(`${url}/v1/instances`).catch(() => ({ instances: [] }))
      return instances.filter((one: { connected: boolean }) => one.connected).length === sensors.length
    }, 'all agents are connected')
  await connected()
  t.match(await ask(url, 'stage_configuration', { config: configurationOf(sensors) }), { state: 'succeeded' })
  t.match(await ask(url, 'deploy'), { state: 'succeeded' })
  const pids = async () =>
    (await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)).nodes.map(
      ({ node, pid, state }: Record<string, unknown>) => [node, pid, state]
    )
  const before = await pids()
  t.equal(before.length, 3)

  await t.test('a leader that is killed: one response to what was under way, nodes run on', async t => {
    const stream = await openStream(t, `${url}/v1/events?types=test_timeout_response`)
    await stream.next('hello')
    const started = await fetch(`${url}/v1/requests/test_timeout?timeout=60`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"with_state": true}'
    })
    const { reqid } = (await started.json()) as { reqid: string }
    process.kill(roleOf(hosts.get(first)!.pid), 'SIGKILL')
    const second = await leader(first)
    t.not(second, first)
    t.match((await stream.next('test_timeout_response'))?.json, { reqid, state: 'interrupted' })
    await connected()
    t.same(await pids(), before, 'every process is the same')
    t.match(await ask(url, 'restart', { nodes: ['worker-1'] }), { state: 'succeeded' })
    const { events } = await getJson(`${url}/v1/events/history?reqid=${reqid}&limit=100`)
    t.equal(events.filter(({ type }: { type: string }) => type === 'test_timeout_response').length, 1)
    await until(async () => {
      const { replicas } = await getJson(`${url}/v1/replication`)
      return replicas.every(({ answers, role }: Replica) => answers && role !== 'candidate')
    }, 'the one that was killed is back')
  })

  await t.test('without NATS nothing is written, and everything is told', async t => {
    await nats.servers[0]!.kill()
    await until(async () => {
      // The one that led is away until it has begun anew.
      const response = await fetch(`${url}/v1/requests/get_instances`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}'
      }).catch(() => undefined)
      return response?.status === 503 && ((await response.json()) as { code: string }).code === 'not_leader'
    }, 'there is no leader')
    for (const each of urls.values()) {
      await until(
        async () => (await fetch(`${each}/v1/revisions`).catch(() => undefined))?.status === 200,
        'it is told'
      )
    }
    nats.servers[0]!.start()
    await until(async () => (await ask(url, 'get_nodes').catch(() => undefined))?.state === 'succeeded', 'it goes on')
    await connected()
    t.match(await ask(url, 'check'), { state: 'succeeded' })
  })
})
