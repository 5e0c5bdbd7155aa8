import t from 'tap'
import { parse } from 'yaml'
import { requestTypes } from '../../schemas/api.js'
import { domainEventTypes } from '../../schemas/events.js'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { fakeAgent, small } from '../controller/fake-agent.js'

/** Samples of Prometheus' text format by name and labels. Throws when a line is none. */
function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>()
  for (const line of text.split('\n').filter(line => line !== '' && !line.startsWith('#'))) {
    const parts = /^([a-zA-Z_:][\w:]*(?:\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})?) (\S+)$/.exec(line)
    // Node's event loop lag is "Nan" until it was measured.
    if (!parts || (parts[2] !== 'Nan' && Number.isNaN(Number(parts[2]!.replace('Inf', 'Infinity'))))) {
      throw new Error(`this is no sample: ${line}`)
    }
    samples.set(parts[1]!, Number(parts[2]))
  }
  return samples
}
const metrics = async (url: string) => samplesOf(await (await fetch(`${url}/metrics`)).text())

/** For tests that leave nothing behind that others mind: a controller takes a third of a second to start. */
const shared = await startTestController(t)

await t.test('a controller is alive and ready', async t => {
  const { url } = shared
  for (const path of ['/healthz', '/readyz']) {
    const response = await fetch(url + path)
    t.same([response.status, await response.json()], [200, { status: 'ok', checks: [] }])
  }
})

await t.test('the metrics can be read, and count what there is', async t => {
  const { url, ask, settings } = await startTestController(t)
  const before = await metrics(url)
  t.same(
    ['agents_connected', 'requests_pending', 'event_streams', 'event_streams_stalled_total', 'events_total'].map(name =>
      before.get(`zeek_cluster_${name}`)
    ),
    [0, 0, 0, 0, 0]
  )
  await fakeAgent(t, settings.controller_port)
  await ask('stage_configuration', { config: small() })
  await ask('deploy')
  const stream = await openStream(t, `${url}/v1/events`)
  await stream.next('hello')
  const after = await metrics(url)
  t.same(
    ['agents_connected', 'requests_pending', 'event_streams'].map(name => after.get(`zeek_cluster_${name}`)),
    [1, 0, 1]
  )
  t.equal(after.get('zeek_cluster_nodes{state="UNKNOWN"}'), 2)
  t.equal(after.get('zeek_cluster_request_duration_seconds_count{type="deploy",state="succeeded"}'), 1)
  t.ok(after.get('zeek_cluster_events_total')! >= 6)
  t.equal(after.get('zeek_cluster_events_kept'), after.get('zeek_cluster_events_total'), 'all of them are kept')
  t.ok(after.get('zeek_cluster_events_kept_bytes')! > 500)
  t.ok(Math.abs(after.get('zeek_cluster_events_oldest_timestamp_seconds')! - Date.now() / 1000) < 60)
  t.ok(after.get('zeek_cluster_store_commit_duration_seconds_count')! >= 3)
  t.ok(
    after.get('zeek_cluster_store_writes_total')! >= after.get('zeek_cluster_store_commit_duration_seconds_count')!,
    'writes share commits'
  )
  t.equal(after.get('zeek_cluster_store_failing'), 0)
  t.ok(after.get('zeek_cluster_event_stream_bytes_total')! > 0)
  t.ok(after.has('nodejs_eventloop_lag_p99_seconds'))
  t.ok(after.has('process_cpu_seconds_total'))
})

await t.test('the metrics say what format they have', async t => {
  const { url } = shared
  t.match((await fetch(`${url}/metrics`)).headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
})

/** Every reference in a document. */
function* references(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (key === '$ref') yield String(member)
    else yield* references(member)
  }
}

await t.test('the OpenAPI document can be read, and all of its references lead somewhere', async t => {
  const { url } = shared
  const response = await fetch(`${url}/openapi.yaml`)
  t.match(response.headers.get('content-type'), /yaml/)
  const document = parse(await response.text())
  t.match(document.openapi, /^3\.1\./)
  const all = [
    ...new Set([
      ...references(document),
      ...Object.values<string>(document.components.schemas.ClusterEvent.discriminator.mapping)
    ])
  ]
  t.ok(all.length > 20)
  for (const reference of all) {
    t.ok(
      reference.startsWith('#/') &&
        reference
          .slice(2)
          .split('/')
          .reduce<any>((at, name) => at?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], document),
      reference
    )
  }
  const mapped = Object.keys(document.components.schemas.ClusterEvent.discriminator.mapping)
  t.same(
    domainEventTypes.filter(type => !mapped.includes(type)),
    []
  )
})

await t.test('the OpenAPI document has every route once, under an id of its own', async t => {
  const { url } = shared
  const { paths } = parse(await (await fetch(`${url}/openapi.yaml`)).text())
  for (const path of [
    ...requestTypes.map(type => `/v1/requests/${type}`),
    '/v1/requests',
    '/v1/requests/{reqid}',
    '/v1/requests/{reqid}/events',
    '/v1/events',
    '/v1/instances',
    '/v1/nodes',
    '/v1/configurations/{state}',
    '/healthz',
    '/readyz',
    '/metrics',
    '/v1/prometheus/targets'
  ]) {
    t.ok(paths[path], path)
  }
  const ids = Object.values<any>(paths).flatMap(path => Object.values<any>(path).map(({ operationId }) => operationId))
  t.equal(new Set(ids).size, ids.length)
  t.notOk(ids.includes(undefined))
})

await t.test('the documentation can be read', async t => {
  const { url } = shared
  const response = await fetch(`${url}/docs`)
  t.equal(response.status, 200)
  t.match(await response.text(), /swagger/i)
})

await t.test('the document, in each of its forms, is made once and not sent to who has it', async t => {
  const { url } = shared
  for (const [path, type] of [
    ['/openapi.yaml', 'application/yaml'],
    ['/docs/yaml', 'application/yaml'],
    ['/docs/json', 'application/json']
  ] as const) {
    const first = await fetch(url + path)
    const etag = first.headers.get('etag')!
    t.match(first.headers.get('content-type'), type)
    t.equal(first.headers.get('cache-control'), 'no-cache')
    const text = await first.text()
    t.match(parse(text), { openapi: /^3\.1/, info: {} })
    // A page asks the server that it is from, wherever a proxy has put that.
    t.equal(parse(text).servers[0].url, path === '/openapi.yaml' ? '/' : '../', path)
    const before = process.cpuUsage()
    for (let n = 0; n < 20; n++) t.equal(await (await fetch(url + path)).text(), text)
    const { user, system } = process.cpuUsage(before)
    // To write it takes more than that each time, and these include the client's work.
    t.ok((user + system) / 20 < 50_000, `${(user + system) / 20} us`)
    const again = await fetch(url + path, { headers: { 'if-none-match': etag } })
    t.same([again.status, await again.text()], [304, ''])
    t.equal((await fetch(url + path, { headers: { 'if-none-match': '"x"' } })).status, 200)
  }
})
