import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { TarEntry } from '../bundles/tar.js'
import { startTestAgent } from '../support/agent.js'
import { pushBundle } from '../support/bundles.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'

const sensors = ['sensor-1', 'sensor-2', 'sensor-3'] as const

await t.test('what nodes load comes to every host with a deployment', async t => {
  const { url, settings, ask } = await startTestController(t)
  const agents = await Promise.all(sensors.map(async name => await startTestAgent(t, name, settings.controller_port)))
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 3, 'all are connected')
  const packs = join(settings.management_state_dir, 'bundles')
  const contents = agents.map(({ settings }) => join(settings.management_state_dir, 'content'))
  const files: Record<string, string> = {
    'scripts/local.zeek':
      '@load ./inner\n@if ( Cluster::local_node_type() == Cluster::MANAGER )\n@load ./central\n@endif\n',
    'scripts/central.zeek': 'event zeek_init() { }\n',
    'scripts/inner.zeek': 'event zeek_init() { }\n',
    'scripts/special.zeek': 'event zeek_init() { }\n',
    'scripts/site.sig': 'signature a { }\n',
    'packages/hello/__load__.zeek': 'event zeek_init() { }\n',
    'intel/feed.dat': 'one\n'
  }
  const push = async (changes: Record<string, string>, ...more: TarEntry[]): Promise<string> => {
    Object.assign(files, changes)
    const entries = Object.entries(files).map(([path, content]) => ({ path, content }))
    return await pushBundle(url, [...entries, ...more], 'site')
  }
  const config = {
    ...configurationOf(sensors, [
      { name: 'worker-1', scripts: ['special.zeek'] },
      { name: 'worker-2', load_local: false }
    ]),
    bundle: 'site'
  }
  /** Deploys what the name points to now. Returns why which nodes were started. */
  const deploy = async (args: object = {}) => {
    const stream = await openStream(t, `${url}/v1/events?types=notify_change,deploy_response`)
    await stream.next('hello')
    t.equal((await ask('stage_configuration', { config })).state, 'succeeded')
    const request = await ask('deploy', args)
    const events = (await stream.collect(({ type }) => type === 'deploy_response')).map(({ json }) => json)
    stream.close()
    const reasons = Object.fromEntries(
      events.filter(({ new_state: state }) => state === 'PENDING').map(({ node, reason }) => [node, reason])
    )
    return { request, reasons }
  }
  const pids = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)).nodes.map(
        ({ node, pid }: { node: string; pid: number }) => [node, pid]
      )
    )
  const current = (path: string) => contents.map(content => readFileSync(join(content, 'current', path), 'utf8'))
  const all = ['logger-1', 'manager', 'worker-1', 'worker-2']
  const withLocal = all.filter(name => name !== 'worker-2')

  await t.test('the first time every node starts with it', async t => {
    const id = await push({})
    const { request, reasons } = await deploy()
    t.equal(request.state, 'succeeded', JSON.stringify(request.results))
    t.same(Object.keys(reasons).sort(), all)
    t.equal((await getJson(`${url}/v1/configurations/deployed`)).configuration.bundle, id)
    for (const content of contents) {
      t.same(readdirSync(content).sort(), [id, `${id}.json`, 'current'].sort())
      t.equal(statSync(join(content, 'current/scripts/local.zeek')).mode & 0o777, 0o444)
    }
    const running = await pids()
    const commandOf = (name: string) => readFileSync(`/proc/${running[name]}/cmdline`, 'utf8').split('\0')
    const command = commandOf('manager')
    t.ok(command.indexOf('packages/hello') < command.indexOf('local.zeek'), command.join(' '))
    t.ok(command.indexOf('local.zeek') > 0)
    t.ok(commandOf('worker-2').includes('packages/hello'))
    t.notOk(commandOf('worker-2').includes('local.zeek'), 'but for the one that is not to')
  })

  await t.test('again, nobody is restarted', async t => {
    const before = await pids()
    t.same((await deploy()).reasons, {})
    t.same(await pids(), before)
  })

  for (const [what, changes, who, why] of [
    [
      'of one node',
      { 'scripts/special.zeek': 'event zeek_done() { }\n' },
      ['worker-1'],
      'scripts changed: special.zeek'
    ],
    ['of all', { 'scripts/inner.zeek': 'event zeek_done() { }\n' }, withLocal, 'scripts changed: inner.zeek'],
    [
      'that one of them alone has loaded',
      { 'scripts/central.zeek': '@load ./inner\n' },
      ['manager'],
      'scripts changed: central.zeek'
    ],
    [
      'of a package',
      { 'packages/hello/__load__.zeek': 'event zeek_done() { }\n' },
      all,
      'scripts changed: hello/__load__.zeek'
    ],
    ['that is no script', { 'scripts/site.sig': 'signature b { }\n' }, all, 'files changed: scripts'],
    ['that is read while they run', { 'intel/feed.dat': 'two\n' }, [], '']
  ] as [string, Record<string, string>, string[], string][]) {
    await t.test(`a change of a file ${what} restarts who loads it, and says why`, async t => {
      const [before, id] = [await pids(), await push(changes)]
      const { request, reasons } = await deploy()
      t.equal(request.state, 'succeeded', JSON.stringify(request.results))
      t.same(reasons, Object.fromEntries(who.map(name => [name, why])))
      const after = await pids()
      t.same(
        all.filter(name => after[name] !== before[name]),
        who
      )
      for (const [path, content] of Object.entries(changes)) t.same(current(path), [content, content, content])
      for (const content of contents) t.same(readdirSync(content).sort(), [id, `${id}.json`, 'current'].sort())
    })
  }

  await t.test('a syntax error on one host changes nothing anywhere, and is told with file and line', async t => {
    const [before, deployed] = [await pids(), (await getJson(`${url}/v1/configurations/deployed`)).configuration.bundle]
    const good = files['scripts/special.zeek']!
    await push({ 'scripts/special.zeek': 'event zeek_init() {\n' })
    const { request } = await deploy()
    t.equal(request.state, 'failed')
    t.match(request.results, [{ instance: 'sensor-2', node: 'worker-1', error: /^scripts\/special.zeek:\d+: / }])
    t.same(await pids(), before)
    t.equal((await getJson(`${url}/v1/configurations/deployed`)).configuration.bundle, deployed)
    t.same(current('scripts/special.zeek'), [good, good, good])
    files['scripts/special.zeek'] = good
  })

  await t.test('what is damaged on the way is not used, and said; later it is fetched anew', async t => {
    const before = await pids()
    const id = await push({ 'config/a': 'a'.repeat(300_000) })
    const [pack] = readdirSync(packs)
      .map(name => join(packs, name))
      .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    const bytes = readFileSync(pack!)
    const damagedBytes = Buffer.from(bytes)
    damagedBytes[damagedBytes.length - 5] = 0
    writeFileSync(pack!, damagedBytes)
    const { request } = await deploy()
    t.equal(request.state, 'failed')
    t.match(request.results[0]?.error, /bundle [0-9a-f]{64} is damaged: \S+ has another content/)
    t.same(await pids(), before)
    for (const content of contents) t.notOk(existsSync(join(content, id)), 'nothing of it is there')
    writeFileSync(pack!, bytes)
    await until(async () => (await deploy()).request.state === 'succeeded', 'it is fetched anew')
    t.same(
      current('config/a'),
      [1, 2, 3].map(() => 'a'.repeat(300_000))
    )
  })
})
