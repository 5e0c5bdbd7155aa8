import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ClusterNode } from '../../schemas/types.js'
import { lockDirectory } from '../../src/store/lock.js'
import { readIdentity } from '../../src/supervisor/process.js'
import { getJson, openStream } from '../support/client.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const name = 'sensor-1'
const http = (cluster: Cluster) => Number(new URL(cluster.url).port)

/** One instance with a controller, and two nodes. */
async function start(t: Test, flags: Record<string, string> = {}, node: Partial<ClusterNode> = {}) {
  const cluster = new Cluster(t)
  const { 'controller-port': agents } = await cluster.prepare(flags)
  const host = await cluster.startHost(name, true)
  await cluster.connected(name)
  const config = configurationOf([name], [node])
  const pids = async () => (await cluster.nodes()).flatMap(({ pid }) => pid ?? [])
  return { cluster, host, config, agents: Number(agents), pids }
}

/** Sends what it is given, and reads nothing. */
async function mumble(t: Test, port: number, text: string) {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

/** Nobody runs or is a zombie, nobody listens, and nothing is locked or written down as running. */
async function nothingLeft(t: Test, cluster: Cluster, pids: readonly number[], ports: readonly number[]) {
  t.same(pids.filter(isRunning), [], 'no process')
  for (const port of ports) {
    const server = createServer().listen(port, '127.0.0.1')
    await t.resolves(once(server, 'listening'), 'the port is free')
    server.close()
  }
  lockDirectory(cluster.stateDir(name), 'it is locked').close()
  t.same(readdirSync(join(cluster.stateDir(name), 'supervisor')), [], 'no record')
}

const identityOf = (cluster: Cluster, program: string) =>
  readIdentity(join(cluster.stateDir(name), 'supervisor', `${program}.pid`))
const gone = (pids: readonly number[]) => until(() => !pids.some(isRunning), 'they are gone')

await t.test(
  'SIGTERM answers what is pending, says goodbye, and waits for nobody who does not',
  { timeout: 300_000 },
  async t => {
    const { cluster, host, config, agents, pids } = await start(t)
    await cluster.deploy(config)
    const all = [host.pid, ...(await pids())]
    const get = `GET /v1/events?from=earliest HTTP/1.1\r\nhost: 127.0.0.1:${http(cluster)}\r\n`
    for (const text of ['', get, `${get}\r\n`, `${get.replace('GET', 'POST')}content-length: 100\r\n\r\n{`]) {
      await mumble(t, http(cluster), text)
    }
    for (const text of ['', 'GET /v1/agent HTTP/1.1\r\n']) await mumble(t, agents, text)
    const stream = await openStream(t, `${cluster.url}/v1/events?types=test_timeout_request,test_timeout_response`)
    await stream.next('hello')
    const waiting = cluster.ask('test_timeout', { with_state: true }, '?timeout=60')
    const {
      json: { reqid }
    } = (await stream.next('test_timeout_request'))!
    await host.stop('SIGTERM')
    t.match(await waiting, { reqid, state: 'interrupted', results: [{ success: false, error: 'request interrupted' }] })
    t.match(
      (await stream.collect()).map(({ json }) => json),
      [
        { type: 'test_timeout_response', reqid, state: 'interrupted' },
        { type: 'goodbye', reason: 'shutdown' }
      ]
    )
    t.equal(host.child.exitCode, 0)
    await nothingLeft(t, cluster, all, [http(cluster), agents])
  }
)

await t.test(
  'SIGTERM during a deployment ends both, and the deployment has one response',
  { timeout: 300_000 },
  async t => {
    const { cluster, host, config, agents } = await start(t, {}, { name: 'logger-1', env: { STAND_IN: 'hang' } })
    await cluster.ask('stage_configuration', { config })
    const deploying = cluster.ask('deploy')
    const { pid } = await until(() => identityOf(cluster, 'logger-1'), 'it is under way')
    await host.stop('SIGTERM')
    const { reqid, state } = await deploying
    t.not(state, 'pending')
    await nothingLeft(t, cluster, [host.pid, pid], [http(cluster), agents])
    await cluster.startHost(name, true)
    t.equal((await getJson(`${cluster.url}/v1/requests/${reqid}`)).state, state)
    const events = (await (await openStream(t, `${cluster.url}/v1/requests/${reqid}/events`)).collect()).map(
      ({ json }) => json.type
    )
    t.equal(events.filter(type => type === 'deploy_response').length, 1)
  }
)

await t.test(
  'a second SIGTERM ends at once, and what is left the next supervisor takes over',
  { timeout: 300_000 },
  async t => {
    const { cluster, host, config } = await start(
      t,
      { 'agent-stop-timeout': '1000' },
      { name: 'manager', env: { STAND_IN: 'ignore-term' } }
    )
    await cluster.deploy(config)
    const { 'logger-1': logger, manager } = await cluster.pids()
    const roles = ['controller', name].map(role => identityOf(cluster, role)!.pid)
    host.child.kill('SIGTERM')
    await cluster.reaches('logger-1', 'STOPPED')
    host.child.kill('SIGTERM')
    await host.exited
    t.equal(host.child.exitCode, 1)
    await gone(roles)
    t.ok(isRunning(manager!))
    await cluster.startHost(name, true)
    await cluster.reaches('logger-1', 'RUNNING', logger)
    t.equal((await cluster.reaches('manager', 'RUNNING')).pid, manager)
    t.teardown(() => process.kill(manager!, 'SIGKILL'))
  }
)

await t.test('a controller that hangs', { timeout: 300_000 }, async t => {
  const { cluster, host, agents, pids } = await start(t, { 'management-stop-timeout': '0.5' })

  await t.test('is killed when its time is over, and its requests are answered by the next', async t => {
    const all = [host.pid, ...(await pids())]
    const response = await fetch(`${cluster.url}/v1/requests/test_timeout?timeout=60`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"with_state":true}'
    })
    const { reqid } = (await response.json()) as { reqid: string }
    process.kill((await cluster.node('controller'))!.pid!, 'SIGSTOP')
    await host.stop('SIGTERM')
    t.equal(host.child.exitCode, 0)
    await nothingLeft(t, cluster, all, [http(cluster), agents])
    await cluster.startHost(name, true)
    t.equal((await getJson(`${cluster.url}/v1/requests/${reqid}`)).state, 'interrupted')
  })

  await t.test('and outlives its supervisor is ended by the next supervisor', async t => {
    const { child, exited } = cluster.hosts.get(name)!
    await cluster.connected(name)
    const { pid } = (await cluster.node('controller'))!
    process.kill(pid!, 'SIGSTOP')
    child.kill('SIGKILL')
    await exited
    t.ok(isRunning(pid!), 'it does not notice')
    await cluster.startHost(name, true)
    // Nobody waits for it but the first process of the machine, when that comes to it.
    await gone([pid!])
    await cluster.connected(name)
  })
})
