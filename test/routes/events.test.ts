import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { ClusterEvent } from '../../schemas/events.js'
import { checker } from '../../schemas/validator.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import {
  configurationOf,
  deployedAgent,
  fakeAgent,
  idOfManager,
  manager,
  never,
  small,
  worker
} from '../controller/fake-agent.js'

type Controller = Awaited<ReturnType<typeof startTestController>>
const check = checker(ClusterEvent, errors => new Error(JSON.stringify(errors)))
const seqOf = (cursor: string) => Number(cursor.split('.')[1])
/** Every domain event from the start on, up to a request that is made for its end. */
async function history(t: Test, { url, ask }: Controller, query = '') {
  const stream = await openStream(t, `${url}/v1/events?from=earliest${query}`)
  const { reqid } = await ask('get_instances')
  const all = await stream.collect(json => json.reqid === reqid)
  stream.close()
  return all.slice(0, -1).filter(({ event }) => event === undefined)
}

/** For tests that leave nothing behind that others mind: a controller takes a third of a second to start. */
const shared = await startTestController(t)

await t.test('hello comes first, with the headers that keep proxies from interfering', async t => {
  const { url, controller } = await startTestController(t)
  const { response, next } = await openStream(t, `${url}/v1/events`)
  const header = (name: string) => response.headers.get(name)
  t.same(
    [response.status, header('content-type'), header('cache-control'), header('x-accel-buffering')],
    [200, 'text/event-stream; charset=utf-8', 'no-cache, no-transform', 'no']
  )
  t.same([header('content-encoding'), header('x-content-type-options')], [null, 'nosniff'])
  const hello = await next()
  t.same([hello?.event, hello?.id], ['hello', undefined])
  t.same(hello?.json, {
    type: 'hello',
    cursor: controller.cursor,
    earliest: hello?.json.earliest,
    heartbeat_seconds: 600,
    resumed: false
  })
})

await t.test('the pause before a reconnect is 2 to 5 s', async t => {
  const { url } = shared
  const abort = new AbortController()
  const reader = (await fetch(`${url}/v1/events`, { signal: abort.signal })).body!.getReader()
  const text = new TextDecoder().decode((await reader.read()).value)
  abort.abort()
  // In the block of the first event: one of its own would be an event without data to some clients.
  const retry = Number(/^event: hello\nretry: (\d+)\ndata: /.exec(text)?.[1])
  t.ok(retry >= 2000 && retry <= 5000, text)
})

await t.test('domain events have no name, an id that is their cursor, and come in order', async t => {
  const controller = await startTestController(t)
  for (let n = 0; n < 5; n++) await controller.ask('get_configuration')
  const events = await history(t, controller)
  t.same(
    events.map(({ json }) => json.type),
    Array.from({ length: 5 }, () => ['get_configuration_request', 'get_configuration_response']).flat()
  )
  t.ok(events.every(({ id, json }) => id === json.cursor && !Number.isNaN(Date.parse(json.time))))
  t.same(
    events.map(({ id }) => seqOf(id!)),
    events.map((_event, index) => index + 1)
  )
})

await t.test('every event has the shape of its schema', async t => {
  const controller = await startTestController(t, { 'controller-events-heartbeat': '0.05' })
  const agent = await fakeAgent(t, controller.settings.controller_port)
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  await controller.ask('test_timeout', {}, '?timeout=0.01')
  agent.change('worker-1', 'RUNNING', 'CRASHED')
  agent.link.notify('error', { message: 'a' })
  agent.link.notify('log', { level: 'WARNING', message: 'b' })
  await agent.close()
  await until(() => !controller.controller.instances()[0]?.connected, 'it is lost')
  const stream = await openStream(t, `${controller.url}/v1/events?from=earliest`)
  const snapshot = await openStream(t, `${controller.url}/v1/events?snapshot=true`)
  const events = [
    ...(await stream.collect(json => json.type === 'heartbeat')),
    ...(await snapshot.collect(json => json.type === 'heartbeat'))
  ]
  for (const { json } of events) t.doesNotThrow(() => check(json, json.type), json.type)
  t.ok(new Set(events.map(({ json }) => json.type)).size >= 16)
})

await t.test('the header wins over ?last_event_id=, that over ?from=', async t => {
  const { url, ask } = await startTestController(t)
  for (let n = 0; n < 3; n++) await ask('get_configuration')
  const { cursor } = (await (await openStream(t, `${url}/v1/events`)).next())!.json
  const at = (seq: number) => `${cursor.split('.')[0]}.${seq}`
  const first = async (query: string, headers = {}) => {
    const stream = await openStream(t, `${url}/v1/events?${query}`, headers)
    const { resumed } = (await stream.next())!.json
    return [resumed, seqOf((await stream.next())!.id!)]
  }
  t.same(await first(`from=${at(1)}&last_event_id=${at(2)}`, { 'last-event-id': at(4) }), [true, 5])
  t.same(await first(`from=${at(1)}&last_event_id=${at(2)}`), [true, 3])
  t.same(await first(`from=${at(1)}`), [true, 2])
  t.same(await first('from=earliest'), [false, 1])
})

await t.test('a stream from now on tells nothing of before', async t => {
  const { url, ask } = shared
  await ask('get_configuration')
  for (const query of ['', '?from=latest']) {
    const stream = await openStream(t, url + '/v1/events' + query)
    await stream.next('hello')
    const { reqid } = await ask('get_instances')
    t.match((await stream.next())?.json, { type: 'get_instances_request', reqid })
  }
})

for (const [reason, cursorOf] of [
  ['unknown', () => 'nonsense'],
  ['epoch', (cursor: string) => `zzz.${seqOf(cursor)}`],
  ['future', (cursor: string) => `${cursor.split('.')[0]}.${seqOf(cursor) + 1}`]
] as const) {
  await t.test(`a cursor that is of no use (${reason}) is answered with a reset, and then live`, async t => {
    const { url, ask } = await startTestController(t)
    const { event_cursor: cursor } = await ask('get_configuration')
    const { event_cursor: head } = await getJson(`${url}/v1/nodes`)
    const stream = await openStream(t, `${url}/v1/events`, { 'last-event-id': cursorOf(head) })
    t.match((await stream.next())?.json, { type: 'hello', resumed: false })
    const reset = await stream.next()
    t.same([reset?.event, reset?.id], ['reset', undefined])
    t.match(reset?.json, { reason, latest: (await getJson(`${url}/v1/nodes`)).event_cursor, earliest: /\.1$/ })
    const { reqid } = await ask('get_instances')
    t.match((await stream.next())?.json, { type: 'get_instances_request', reqid })
    t.equal(cursor.split('.')[0], reset?.json.latest.split('.')[0])
  })
}

await t.test('a cursor from the future resets its sender only', async t => {
  const { url, ask } = await startTestController(t)
  const { event_cursor: place } = await ask('get_configuration')
  const { event_cursor: head } = await getJson(`${url}/v1/nodes`)
  const far = `${head.split('.')[0]}.${Number.MAX_SAFE_INTEGER}`
  const live = await openStream(t, `${url}/v1/events`)
  await live.next('hello')
  const { reqid } = await ask('get_instances')
  for (const path of ['/v1/events', `/v1/requests/${reqid}/events`]) {
    const stream = await openStream(t, `${url}${path}?from=${far}`)
    t.match((await stream.next('reset'))?.json, { reason: 'future' })
  }
  const resumed = await openStream(t, `${url}/v1/events`, { 'last-event-id': place })
  t.match((await resumed.next())?.json, { type: 'hello', resumed: true }, 'who was away goes on')
  await ask('get_instances')
  const ids = (await live.collect(({ type }) => type === 'get_instances_response')).map(({ id }) => id?.split('.')[0])
  t.same([...new Set(ids)], [head.split('.')[0]], 'and who was there')
})

await t.test('a cursor older than what is kept is expired, the last one that is not goes on', async t => {
  const { url, ask } = await startTestController(t, { 'controller-events-max-count': '4' })
  const { event_cursor: cursor } = await ask('stage_configuration', { config: small() })
  for (let n = 0; n < 4; n++) await ask('stage_configuration', { config: small() })
  const earliest = (await until(async () => {
    const stream = await openStream(t, `${url}/v1/events`)
    const { json } = (await stream.next())!
    stream.close()
    return seqOf(json.earliest) > 2 && String(json.earliest)
  }, 'old events are dropped')) as string
  const first = async (seq: number) => {
    const stream = await openStream(t, `${url}/v1/events`, { 'last-event-id': `${cursor.split('.')[0]}.${seq}` })
    await stream.next('hello')
    return (await stream.next())?.json
  }
  t.match(await first(0), { type: 'reset', reason: 'expired', earliest })
  t.match(await first(seqOf(earliest) - 2), { type: 'reset', reason: 'expired' })
  t.equal((await first(seqOf(earliest) - 1)).cursor, earliest)
})

await t.test('no control event but the heartbeat has an id', async t => {
  const { url, ask } = await startTestController(t, { 'controller-events-heartbeat': '0.05' })
  await ask('get_configuration')
  const { reqid } = await ask('get_instances')
  const streams = [
    await openStream(t, `${url}/v1/events?snapshot=true`),
    await openStream(t, `${url}/v1/events`, { 'last-event-id': 'x' })
  ]
  const events = (await Promise.all(streams.map(stream => stream.collect(json => json.type === 'heartbeat')))).flat()
  events.push(...(await (await openStream(t, `${url}/v1/requests/${reqid}/events`)).collect()))
  t.same([...new Set(events.map(({ event }) => event))].sort(), [
    'goodbye',
    'heartbeat',
    'hello',
    'reset',
    'snapshot',
    'snapshot-end',
    undefined
  ])
  for (const { event, id, json } of events) {
    t.equal(id, event === undefined || event === 'heartbeat' ? json.cursor : undefined)
  }
})

await t.test('a heartbeat moves the cursor past what the filter has left out', async t => {
  const { url, ask, controller } = await startTestController(t, { 'controller-events-heartbeat': '0.05' })
  const stream = await openStream(t, `${url}/v1/events?types=notify_change`)
  await stream.next('hello')
  await ask('get_configuration')
  const head = controller.cursor
  const events = await stream.collect(json => json.cursor === head)
  t.ok(events.every(({ event }) => event === 'heartbeat'))
})

await t.test('filters let through what fits all of them', async t => {
  const controller = await startTestController(t)
  const agents = await Promise.all(
    ['agent-a', 'agent-b'].map(name => fakeAgent(t, controller.settings.controller_port, { name }))
  )
  await controller.ask('stage_configuration', {
    config: configurationOf(['agent-a', 'agent-b'], [manager(), worker('worker-1', 'agent-b')])
  })
  const { reqid } = await controller.ask('deploy')
  agents[0]!.change('manager', 'RUNNING', 'CRASHED')
  agents[1]!.change('worker-1', 'RUNNING', 'CRASHED')
  await until(() => controller.controller.nodes().every(({ state }) => state === 'CRASHED'), 'both are heard')
  const types = async (query: string) =>
    (
      await history(
        t,
        controller,
        query + '&types=deploy_request,request_progress,deploy_response,notify_change,get_instances_request'
      )
    ).map(({ json }) => json.type)
  const end = async (query: string, last: (json: any) => boolean) => {
    const stream = await openStream(t, `${controller.url}/v1/events?from=earliest${query}`)
    const events = await stream.collect(last)
    stream.close()
    return events.filter(({ event }) => event === undefined).map(({ json }) => json.type)
  }
  t.same((await types('')).sort(), [
    'deploy_request',
    'deploy_response',
    'notify_change',
    'notify_change',
    'request_progress',
    'request_progress'
  ])
  t.same(await end(`&reqid=${reqid}`, json => json.type === 'deploy_response'), [
    'deploy_request',
    'request_progress',
    'request_progress',
    'deploy_response'
  ])
  t.same(await end('&instance=agent-b', json => json.type === 'notify_change'), [
    'notify_agent_hello',
    'request_progress',
    'notify_change'
  ])
  t.same(await end('&node=worker-1', json => json.type === 'notify_change'), ['notify_change'])
  t.same(await end('&instance=agent-b&types=notify_change,%20deploy_response', json => json.type === 'notify_change'), [
    'notify_change'
  ])
})

await t.test('a snapshot is the state of a moment, and what comes after it follows without a gap', async t => {
  const controller = await startTestController(t)
  const agent = await fakeAgent(t, controller.settings.controller_port, { handlers: { get_id_value: never } })
  await controller.ask('stage_configuration', { config: small('c1') })
  await controller.ask('deploy')
  const asking = controller.ask('get_id_value', { id: 'x' }, '?timeout=5')
  asking.catch(() => {})
  await agent.question('get_id_value')
  const stream = await openStream(t, `${controller.url}/v1/events?snapshot=true&from=earliest`)
  const events = await stream.collect(json => json.type === 'snapshot-end')
  const parts = Object.assign({}, ...events.filter(({ event }) => event === 'snapshot').map(({ json }) => json))
  t.match(parts, {
    instances: [{ name: 'agent-a', connected: true }],
    nodes: [{ node: 'manager' }, { node: 'worker-1' }],
    configuration: { state: 'deployed', configuration: { id: 'c1' } },
    requests: [{ type: 'get_id_value', state: 'pending' }]
  })
  t.equal(events[0]?.json.cursor, events.at(-1)?.json.cursor)
  agent.change('worker-1', 'PENDING', 'RUNNING')
  const { json } = (await stream.next())!
  t.equal(json.type, 'notify_change')
  t.equal(seqOf(json.cursor), seqOf(events.at(-1)!.json.cursor) + 1)
})

await t.test('the cursor of a list leads to the stream without a gap', async t => {
  const { url, ask } = shared
  const { event_cursor: cursor } = await getJson(`${url}/v1/requests`)
  const { reqid } = await ask('get_configuration')
  const stream = await openStream(t, `${url}/v1/events?from=${cursor}`)
  await stream.next('hello')
  t.match((await stream.next())?.json, { type: 'get_configuration_request', reqid })
})

await t.test('the stream of a request tells all of its story, says goodbye and ends', async t => {
  const { url, ask } = shared
  const { reqid } = await ask('stage_configuration', { config: small() })
  await ask('get_instances')
  const events = await (await openStream(t, `${url}/v1/requests/${reqid}/events`)).collect()
  t.same(
    events.map(({ event, json }) => [event, json.type]),
    [
      ['hello', 'hello'],
      [undefined, 'stage_configuration_request'],
      [undefined, 'stage_configuration_response'],
      ['goodbye', 'goodbye']
    ]
  )
  t.match(events.at(-1)?.json, { reason: 'terminal', reconnect: false })
  t.ok(events.every(({ json }) => !json.reqid || json.reqid === reqid))
})

await t.test('the stream of a request goes on live, with its progress', async t => {
  const controller = await startTestController(t)
  const { url } = controller
  let answer = () => {}
  const agent = await deployedAgent(
    t,
    controller,
    () =>
      new Promise<never[]>(resolve => {
        answer = () => resolve([])
      })
  )
  const { reqid } = (await (
    await fetch(`${url}/v1/requests/get_id_value`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(idOfManager)
    })
  ).json()) as any
  const stream = await openStream(t, `${url}/v1/requests/${reqid}/events`)
  t.match([(await stream.next())?.json.type, (await stream.next())?.json.type], ['hello', 'get_id_value_request'])
  await agent.question('get_id_value')
  answer()
  t.same(
    (await stream.collect()).map(({ json }) => json.type),
    ['request_progress', 'get_id_value_response', 'goodbye']
  )
})

await t.test('resumed after its response the stream of a request is over', async t => {
  const { url, ask } = shared
  const { reqid } = await ask('get_configuration')
  const events = await (await openStream(t, `${url}/v1/requests/${reqid}/events`)).collect()
  const [first, last] = events.filter(({ id }) => id !== undefined)
  t.equal((await fetch(`${url}/v1/requests/${reqid}/events`, { headers: { 'last-event-id': last!.id! } })).status, 204)
  const rest = await (
    await openStream(t, `${url}/v1/requests/${reqid}/events`, { 'last-event-id': first!.id! })
  ).collect()
  t.same(
    rest.map(({ json }) => json.type),
    ['hello', 'get_configuration_response', 'goodbye']
  )
})

await t.test('with a cursor that is of no use the story of a request is told from its start', async t => {
  const { url, ask } = shared
  const { reqid } = await ask('get_configuration')
  for (const cursor of ['zzz.1', 'nonsense']) {
    const events = await (
      await openStream(t, `${url}/v1/requests/${reqid}/events`, { 'last-event-id': cursor })
    ).collect()
    t.same(
      events.map(({ json }) => json.type),
      ['hello', 'reset', 'get_configuration_request', 'get_configuration_response', 'goodbye']
    )
  }
})

await t.test('a request without state ends its stream when it has expired', async t => {
  const { url } = shared
  const { reqid } = (await (
    await fetch(`${url}/v1/requests/test_timeout?timeout=0.05`, { method: 'POST' })
  ).json()) as any
  const events = await (await openStream(t, `${url}/v1/requests/${reqid}/events`)).collect()
  t.same(
    events.map(({ json }) => json.type),
    ['hello', 'test_timeout_request', 'request_expired', 'goodbye']
  )
})

await t.test('HEAD is answered with the headers, and ends', async t => {
  const { url, controller, ask } = await startTestController(t)
  const { reqid } = await ask('get_configuration')
  t.equal((await fetch(`${url}/v1/requests/unknown/events`, { method: 'HEAD' })).status, 404)
  for (const path of ['/v1/events', `/v1/requests/${reqid}/events`]) {
    const response = await fetch(url + path, { method: 'HEAD' })
    t.same(
      [response.status, response.headers.get('cache-control'), await response.text()],
      [200, 'no-cache, no-transform', '']
    )
    t.match(response.headers.get('content-type'), /^text\/event-stream/)
  }
  t.equal(controller.hub.size, 0)
})

await t.test('the same log comes as lines of JSON', async t => {
  const { url, ask } = shared
  const { reqid } = await ask('get_configuration')
  const response = await fetch(`${url}/v1/requests/${reqid}/events`, { headers: { accept: 'application/x-ndjson' } })
  t.equal(response.headers.get('content-type'), 'application/x-ndjson')
  const lines = (await response.text()).split('\n')
  t.equal(lines.pop(), '')
  const events = lines.map(line => JSON.parse(line))
  t.same(
    events.map(({ type }) => type),
    ['hello', 'get_configuration_request', 'get_configuration_response', 'goodbye']
  )
  for (const event of events) check(event, event.type)
})

await t.test('each client gets the format that it accepts', async t => {
  const { url } = shared
  for (const [accept, type] of [
    ['*/*', 'text/event-stream'],
    ['text/event-stream', 'text/event-stream'],
    ['text/*', 'text/event-stream'],
    ['application/x-ndjson', 'application/x-ndjson'],
    ['application/x-ndjson, */*', 'application/x-ndjson'],
    ['text/event-stream, application/x-ndjson', 'text/event-stream']
  ] as const) {
    const abort = new AbortController()
    const response = await fetch(`${url}/v1/events`, { headers: { accept }, signal: abort.signal })
    t.ok(response.headers.get('content-type')?.startsWith(type), accept)
    abort.abort()
  }
})

await t.test(
  'when the server closes every stream hears goodbye, even one that reads nothing is no hindrance',
  async t => {
    const { url, close, settings, controller } = await startTestController(t)
    const streams = await Promise.all([1, 2].map(() => openStream(t, `${url}/v1/events`)))
    const silent = connect(settings.controller_websocket_port, '127.0.0.1')
    silent.pause()
    silent.write(`GET /v1/events HTTP/1.1\r\nHost: localhost:${settings.controller_websocket_port}\r\n\r\n`)
    await until(() => controller.hub.size === 3, 'all are open')
    await close()
    for (const stream of streams) {
      t.same((await stream.collect()).map(({ event, json }) => [event, json.reason, json.reconnect]).at(-1), [
        'goodbye',
        'shutdown',
        true
      ])
    }
    silent.resume()
    await once(silent, 'close')
  }
)

await t.test('too many streams are refused, and one that has gone makes room', async t => {
  const { url, controller } = await startTestController(t, { 'controller-events-streams-max': '1' })
  const first = await openStream(t, `${url}/v1/events`)
  const refused = await fetch(`${url}/v1/events`)
  t.match(
    [refused.status, ((await refused.json()) as any).code, refused.headers.get('retry-after')],
    [503, 'unavailable', '5']
  )
  first.close()
  await until(() => controller.hub.size === 0, 'it has gone')
  t.equal((await openStream(t, `${url}/v1/events`)).response.status, 200)
})

await t.test('what anyone names cannot forge a frame', async t => {
  const { url, settings } = await startTestController(t)
  const stream = await openStream(t, `${url}/v1/events?types=notify_log`)
  await stream.next('hello')
  const agent = await fakeAgent(t, settings.controller_port)
  const message = 'a\n\nevent: forged\r\nid: x.9\rdata: {}\n\n\u2028\u0000é'
  agent.link.notify('log', { level: 'WARNING', message })
  const event = await stream.next()
  t.same([event?.event, event?.json.message], [undefined, message])
})

await t.test('a replay that is longer than what is kept in memory is whole', async t => {
  const controller = await startTestController(t)
  const agent = await fakeAgent(t, controller.settings.controller_port)
  const count = 1500
  for (let n = 0; n < count; n++) agent.link.notify('log', { level: 'WARNING', message: String(n) })
  await until(() => seqOf(controller.controller.cursor) > count, 'all are written')
  const live = await openStream(t, `${controller.url}/v1/events?from=earliest&types=notify_log`)
  const lines = (await live.collect(json => json.message === String(count - 1))).filter(
    ({ event }) => event === undefined
  )
  t.same(
    lines.map(({ json }) => Number(json.message)),
    Array.from({ length: count }, (_line, index) => index)
  )
})
