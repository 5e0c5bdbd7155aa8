import t from 'tap'
import { ask, begin, getJson, openStream } from '../support/client.js'
import { here, noNats, startNats } from '../support/nats.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'
import { Replicas } from './replicas.js'

const sensors = ['sensor-1', 'sensor-2']

await t.test('three controllers, two sensors', { skip: noNats, timeout: 240_000 }, async t => {
  const nats = await startNats(t)
  const replicas = await Replicas.create(t, nats, { c1: here, c2: here, c3: here })
  replicas.start()
  const first = await replicas.leader()
  const other = replicas.names.find(name => name !== first)!
  const url = replicas.urlOf(other)
  for (const name of sensors) replicas.startAgent(name)
  await replicas.connected(sensors, other)
  t.match(await ask(url, 'stage_configuration', { config: configurationOf(sensors) }), { state: 'succeeded' })
  t.match(await ask(url, 'deploy'), { state: 'succeeded' })
  const before = await replicas.nodes(other)
  t.equal(before.length, 3)

  await t.test('a leader that is killed: one response to what was under way, nodes run on', async t => {
    const stream = await openStream(t, `${url}/v1/events?types=test_timeout_response`)
    await stream.next('hello')
    const reqid = await begin(url, 'test_timeout', { with_state: true }, '?timeout=60')
    await replicas.kill(first)
    const second = await replicas.leader({ besides: first })
    t.not(second, first)
    t.match((await stream.next('test_timeout_response'))?.json, { reqid, state: 'interrupted' })
    await replicas.connected(sensors, other)
    t.same(await replicas.nodes(other), before, 'every process is the same')
    t.match(await ask(url, 'restart', { nodes: ['worker-1'] }), { state: 'succeeded' })
    const { events } = await getJson(`${url}/v1/events/history?reqid=${reqid}&limit=100`)
    t.equal(events.filter(({ type }: { type: string }) => type === 'test_timeout_response').length, 1)
    await replicas.level()
  })

  await t.test('without NATS nothing is written, and everything is told', async t => {
    await nats.servers[0]!.kill()
    await replicas.onlyTell(other)
    nats.servers[0]!.start()
    await until(async () => (await ask(url, 'get_nodes').catch(() => undefined))?.state === 'succeeded', 'it goes on')
    await replicas.connected(sensors, other)
    t.match(await ask(url, 'check'), { state: 'succeeded' })
  })
})
