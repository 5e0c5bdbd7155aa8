import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { getJson, openStream } from '../support/client.js'
import { directoryOf } from '../support/directory.js'
import { standIn } from '../support/environment.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const two = ['sensor-1', 'sensor-2'] as const

await t.test('files that change under a cluster', async t => {
  const cluster = new Cluster(t)
  const [script, inner, bin] = ['site.zeek', 'inner.zeek', 'zeek'].map(name => join(directoryOf(t), name)) as [
    string,
    string,
    string
  ]
  const install = (version: string) =>
    writeFileSync(
      bin,
      `#!/bin/sh\nif [ "$1" = --version ]; then echo "zeek version ${version}"; exit; fi\nexec ${standIn} "$@"\n`,
      { mode: 0o755 }
    )
  install('9.0.0')
  writeFileSync(script, `@load ${inner}\n`)
  writeFileSync(inner, '')
  await cluster.start(two, { bin, 'agent-stats-interval': '0.5' })
  const config = configurationOf(two, [{ name: 'worker-1', scripts: [script] }])
  const reasons = async () => (await getJson(`${cluster.url}/v1/health`)).reasons
  const drifts = async () => (await reasons()).filter(({ code }: { code: string }) => code === 'drift')
  const told = (count: number) =>
    until(async () => {
      const found = await drifts()
      return found.length === count && found
    }, `${count} instances have drifted`)
  const ready = () => until(async () => (await reasons()).length === 0, 'the cluster is ready')
  /** Deploys the same again, and returns what is said of the nodes that are started, by name. */
  const redeploy = async () => {
    const stream = await openStream(t, `${cluster.url}/v1/events?types=notify_change,deploy_response`)
    await stream.next('hello')
    t.equal((await cluster.ask('deploy')).state, 'succeeded')
    const events = (await stream.collect(({ type }) => type === 'deploy_response')).map(({ json }) => json)
    stream.close()
    return Object.fromEntries(
      events
        .filter(({ old_state: old, new_state: state }) => old === 'STOPPED' && state === 'PENDING')
        .map(({ node, reason }) => [node, reason])
    )
  }
  t.equal((await cluster.deploy(config)).state, 'succeeded')
  await ready()

  await t.test('are told in health, naming node and file, and nothing is restarted', async t => {
    const before = await cluster.pids()
    writeFileSync(inner, 'event zeek_init() { }\n')
    t.match(await told(1), [
      {
        instance: 'sensor-2',
        node: 'worker-1',
        message: `${inner} changed on disk after worker-1 had started; deploy again`
      }
    ])
    t.same(await cluster.pids(), before)
  })

  await t.test('restart nothing when the agent, the link or the supervisor comes back', async t => {
    const before = await cluster.pids()
    const agent = (await cluster.node('sensor-2'))!.pid!
    process.kill(agent, 'SIGKILL')
    await cluster.reaches('sensor-2', 'RUNNING', agent)
    await cluster.reaches('worker-1', 'RUNNING')
    t.match(await told(1), [{ node: 'worker-1' }], 'it is still told')
    await cluster.hosts.get('sensor-2')!.stop('SIGKILL')
    await cluster.startHost('sensor-2', false)
    await cluster.reaches('worker-1', 'RUNNING')
    t.match(await told(1), [{ node: 'worker-1' }])
    t.same(await cluster.pids(), before)
  })

  await t.test('are loaded by the next deployment, which restarts those nodes only and says why', async t => {
    const before = await cluster.pids()
    t.same(await redeploy(), { 'worker-1': 'scripts changed: inner.zeek' })
    await ready()
    const after = await cluster.pids()
    t.not(after['worker-1'], before['worker-1'])
    t.same({ ...after, 'worker-1': 0 }, { ...before, 'worker-1': 0 })
    t.same(await redeploy(), {}, 'once')
  })

  await t.test('do not matter when they are as before, or when the node was restarted', async t => {
    const text = readFileSync(script, 'utf8')
    writeFileSync(script, `${text}\n`)
    await told(1)
    writeFileSync(script, text)
    await ready()
    writeFileSync(script, `${text}\n`)
    await told(1)
    t.equal((await cluster.ask('restart', { nodes: ['worker-1'] })).state, 'succeeded')
    await ready()
    t.same(await redeploy(), {})
  })

  await t.test('count also when it is zeek that is another', async t => {
    install('9.0.1')
    const all = await told(2)
    t.match(all, [
      { instance: 'sensor-1', message: `${bin} changed on disk after manager, logger-1 had started; deploy again` },
      { node: 'worker-1' }
    ])
    t.same(
      await redeploy(),
      Object.fromEntries(['manager', 'logger-1', 'worker-1'].map(name => [name, 'zeek changed: 9.0.0 -> 9.0.1']))
    )
    await ready()
  })

  await t.test('are told with a changed configuration', async t => {
    writeFileSync(inner, '')
    await cluster.ask('stage_configuration', {
      config: configurationOf(two, [{ name: 'worker-1', scripts: [script], env: { X: '1' } }])
    })
    t.same(await redeploy(), { 'worker-1': 'configuration changed; scripts changed: inner.zeek' })
  })
})
