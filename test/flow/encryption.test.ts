import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { getJson } from '../support/client.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const variable = 'ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_'

/** The variables with keys in the environment of a process. */
const keysOf = (pid: number | undefined) =>
  readFileSync(`/proc/${pid}/environ`, 'utf8')
    .split('\0')
    .filter(entry => entry.startsWith(variable))
    .map(entry => entry.slice(variable.length))

/** All files in a directory with their texts. */
const filesIn = (directory: string): [string, string][] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .map(path => [path, readFileSync(path, 'latin1')])

await t.test('nodes on several addresses are given keys, which nothing tells, and new ones on request', async t => {
  const cluster = new Cluster(t)
  const names = ['sensor-1', 'sensor-2']
  await cluster.start(names, { 'management-log-level': 'debug', 'agent-start-timeout': '20' })
  const config = configurationOf(names)
  config.instances[1]!.host = '127.0.0.2'

  t.match(await cluster.deploy(config), { state: 'succeeded', warnings: [] })
  const before = await cluster.pids()
  t.equal(keysOf(before['logger-1']).length, 4)
  t.equal(keysOf(before['worker-1']).length, 3, 'a worker need not know what lets others in')

  const outside = [
    execFileSync('ps', ['axww', '-o', 'args'], { encoding: 'utf8' }),
    ...(await Promise.all(
      [
        '/v1/events/history',
        '/v1/requests',
        '/v1/nodes',
        '/v1/instances',
        '/v1/configurations/deployed',
        '/v1/configurations/staged',
        '/v1/configurations/ready',
        '/v1/revisions/1',
        '/v1/audit',
        '/metrics'
      ].map(async path => {
        const response = await fetch(cluster.url + path)
        t.equal(response.status, 200, path)
        return await response.text()
      })
    )),
    ...[...cluster.hosts.values()].map(({ output }) => output.stdout + output.stderr)
  ]
  const keys = keysOf(before['logger-1']).map(entry => entry.slice(entry.indexOf('=') + 1))
  for (const text of outside) t.notOk(keys.some(key => text.includes(key)))
  for (const name of names) {
    const holding = filesIn(cluster.stateDir(name)).filter(([, text]) => keys.some(key => text.includes(key)))
    t.ok(holding.length > 0, 'an agent keeps them: it goes on without a controller')
    for (const [path] of holding) t.equal(statSync(path).mode & 0o077, 0, path)
  }

  const secret = keysOf(before['logger-1'])
    .find(entry => entry.startsWith('SERVER_SECRETKEY='))!
    .slice('SERVER_SECRETKEY='.length)
  t.same(
    filesIn(cluster.stateDir('sensor-2')).filter(([, text]) => text.includes(secret)),
    [],
    'a host to which no node connects cannot pose as one that lets others in'
  )

  await t.test('a deployment that changes nothing leaves keys and processes alone', async t => {
    t.match(await cluster.ask('deploy', { strategy: 'by_role' }), { state: 'succeeded' })
    t.same(await cluster.pids(), before)
  })

  await t.test('keys of their own mean other ones for all, and so nothing that goes in steps', async t => {
    const other = (change: object) => ({
      ...config,
      nodes: [...config.nodes, { name: 'worker-2', instance: 'sensor-2', role: 'WORKER', interface: 'lo', ...change }]
    })
    // One with keys of its own has the whole cluster do without ours.
    const own = { env: { [`${variable}CLIENT_SECRETKEY`]: 'x'.repeat(40) } }
    t.match(await cluster.deploy(other(own), { strategy: 'by_role' }), {
      state: 'failed',
      results: [{ error: /keys of all nodes change.*without steps/ }]
    })
    t.same(await cluster.pids(), before)
  })

  await t.test('new keys restart all nodes, and are the same on both instances', async t => {
    const request = await cluster.deploy(config, { rotate_keys: true })
    t.match(request, { state: 'succeeded', arguments: { rotate_keys: true } })
    const after = await cluster.pids()
    for (const [name, pid] of Object.entries(before)) t.not(after[name], pid, name)
    const ofWorker = keysOf(after['worker-1'])
    t.same(
      ofWorker.filter(entry => keys.includes(entry.slice(entry.indexOf('=') + 1))),
      []
    )
    t.ok(ofWorker.every(entry => keysOf(after['logger-1']).includes(entry)))
  })

  await t.test('in steps keys cannot be changed', async t => {
    const response = await fetch(`${cluster.url}/v1/requests/deploy`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ rotate_keys: true, strategy: 'rolling' })
    })
    t.equal(response.status, 400)
    t.match(await response.json(), { errors: [{ field: 'body/rotate_keys' }] })
  })

  await t.test('a controller that is started anew knows them', async t => {
    const pids = await cluster.pids()
    const { nodes } = await getJson(`${cluster.url}/v1/nodes`)
    const controller = nodes.find(({ mgmt_role: role }: { mgmt_role: string }) => role === 'CONTROLLER')
    process.kill(controller.pid, 'SIGKILL')
    await until(
      async () =>
        (await cluster.nodes().catch(() => [])).some(
          ({ pid, mgmt_role: role }) => role === 'CONTROLLER' && pid !== controller.pid
        ),
      'another controller'
    )
    await cluster.connected(...names)
    t.match(await cluster.ask('deploy'), { state: 'succeeded' })
    t.same(await cluster.pids(), pids)
  })
})
