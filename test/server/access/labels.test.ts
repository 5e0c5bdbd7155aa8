import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { covers, type NeededRole } from '../../../schemas/access.js'
import { requests, requestTypes, type ClusterRequest, type RequestDefinition } from '../../../schemas/api.js'
import { tokenCommand } from '../../../src/cli/offline-tokens.js'
import { packageRoot } from '../../../src/util.js'
import { fakeAgent, status } from '../../controller/fake-agent.js'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { directoryOf } from '../../support/directory.js'
import { until } from '../../support/until.js'
import { openClient, requestFrame, set, topic } from '../../support/zeek-websocket.js'
import { string } from '../../../src/zeek/websocket/value.js'

/** In every name of what is not seen, and the address that its agent dials in from; `turin` is in none. */
const unseen = /paris|127\.0\.0\.2/

const sites = (berlin = 'berlin', paris = 'paris') => ({
  instances: [
    { name: 'berlin-1', labels: { site: berlin, tap: 'uplink' } },
    { name: 'paris-1', labels: { site: paris, tap: 'uplink' } }
  ],
  nodes: [
    { name: 'berlin-m', instance: 'berlin-1', role: 'MANAGER' },
    { name: 'berlin-w', instance: 'berlin-1', role: 'WORKER', interface: 'lo' },
    { name: 'paris-w', instance: 'paris-1', role: 'WORKER', interface: 'lo' }
  ],
  groups: ['berlin-1', 'paris-1'].map(instance => ({
    name: `elastic-${instance}`,
    instance,
    interface: 'lo',
    workers: { min: 1, max: 2 }
  }))
})

const handlersOf = (instance: string) => {
  const each = (nodes: string[], outcome: object) => nodes.map(node => ({ success: true, instance, node, ...outcome }))
  return {
    get_id_value: ({ id, nodes }: any) =>
      id === 'no_such' || id.includes('paris')
        ? nodes.map((node: string) => ({ success: false, instance, node, error: `${id} is unknown` }))
        : each(nodes, { data: { value: JSON.stringify({ 'paris-w': { ip: '127.0.0.2' }, 'berlin-w': {} }) } }),
    get_node_output: ({ nodes }: any) => each(nodes, { data: { outputs: [] } }),
    restart: ({ nodes }: any) =>
      nodes.map((node: string) => ({ success: false, instance, node, error: `${node}: waits for paris-w, paris-1.` })),
    get_metrics: ({ node }: any) => ({ text: `x{endpoint="${node}",peer="paris-w"} 1\n`, content_type: 'text/plain' })
  }
}

/** Two sites, of which both have done much; and callers who see one of them, or all. */
async function start(t: Test) {
  const directory = directoryOf(t)
  const make = (role: string, labels?: string, name = `${role}s`) =>
    tokenCommand(['create'], { role, name, ...(labels === undefined ? {} : { labels }) }, directory)
  const tokens = {
    admin: await make('admin'),
    operator: await make('operator'),
    viewer: await make('viewer'),
    limitedOperator: await make('operator', 'site=berlin'),
    limitedViewer: await make('viewer', 'site=berlin,tap=uplink'),
    nowhere: await make('operator', 'site=rome')
  }
  const controller = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    'controller-requests-rate-max': '0'
  })
  const bearer = (who: keyof typeof tokens) => ({ authorization: `Bearer ${tokens[who]}` })
  const fetchAs = async (who: keyof typeof tokens, path: string, init: RequestInit = {}) =>
    await fetch(controller.url + path, { ...init, headers: { ...bearer(who), ...(init.headers as object) } })
  /** The answer as a text: its status is a part of it. */
  const get = async (who: keyof typeof tokens, path: string) => {
    const response = await fetchAs(who, path)
    return `${response.status} ${await response.text()}`
  }
  const post = async (who: keyof typeof tokens, type: string, args: object = {}, headers: object = {}) =>
    await fetchAs(who, `/v1/requests/${type}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=30', ...headers },
      body: JSON.stringify(args)
    })
  const ask = async (who: keyof typeof tokens, type: string, args: object = {}) =>
    (await (await post(who, type, args)).json()) as ClusterRequest
  const agent = async (name: string, node: string, from: string) =>
    await fakeAgent(t, controller.settings.controller_port, {
      name,
      handlers: handlersOf(name),
      hello: { nodes: [status(node)] },
      from,
      token: await make('agent', undefined, name)
    })
  const berlin = await agent('berlin-1', 'berlin-w', '127.0.0.1')
  const paris = await agent('paris-1', 'paris-w', '127.0.0.2')
  const deploy = async (config: object) => {
    await ask('operator', 'stage_configuration', { config })
    const { state, results } = await ask('operator', 'deploy', { check: false, comment: 'paris, too' })
    t.not(state, 'failed', JSON.stringify(results))
  }
  await deploy(sites())
  return { ...controller, directory, tokens, bearer, fetchAs, get, post, ask, berlin, paris, deploy }
}
type World = Awaited<ReturnType<typeof start>>

/** What happens in both sites, asked by who sees both. */
async function stir({ ask, berlin, paris, fetchAs }: World): Promise<void> {
  await ask('operator', 'restart')
  await ask('operator', 'restart', { nodes: ['paris-w'] })
  await ask('operator', 'stop', { nodes: ['berlin-w', 'paris-w'], comment: 'paris is rebuilt' })
  await ask('viewer', 'get_id_value', { id: 'Cluster::nodes' })
  await ask('viewer', 'get_nodes')
  await ask('viewer', 'get_instances')
  await ask('operator', 'set_option', { name: 'Site::local', value: 'paris-w' })
  await ask('operator', 'start', { instances: ['berlin-1', 'paris-1'] })
  await ask('operator', 'plan')
  for (const one of [berlin, paris]) {
    one.change('berlin-w', 'RUNNING', 'CRASHED', 'since paris-w is gone')
    one.change('paris-w', 'RUNNING', 'CRASHED')
    one.link.notify('log', { level: 'WARNING', message: 'no paris-w here' })
    one.link.notify('error', { message: 'paris-1 is not reached' })
  }
  await until(
    async () => /paris-1 is not reached/.test(await (await fetchAs('viewer', '/v1/events/history')).text()),
    'heard'
  )
}

interface Operation {
  id: string
  method: string
  path: string
  needed: NeededRole
  limited: boolean
}
const operations: Operation[] = Object.entries(
  parse(readFileSync(join(packageRoot, 'openapi.yaml'), 'utf8')).paths
).flatMap(([path, methods]) =>
  Object.entries(methods as Record<string, any>).map(([method, { operationId, ...operation }]) => ({
    id: operationId,
    method: method.toUpperCase(),
    path,
    needed: operation['x-role'],
    limited: operation['x-limited'] === true
  }))
)
const filled = (path: string) =>
  path.replace('{id}', '000000000000').replace('{state}', 'deployed').replace(/{\w+}/, '1')

await t.test('a limited caller reaches what says that it is limited, and nothing else', async t => {
  const { fetchAs } = await start(t)
  t.ok(operations.filter(({ limited }) => !limited).length > 25)
  for (const { id, method, path, needed, limited } of operations) {
    for (const [who, role] of [
      ['limitedViewer', 'viewer'],
      ['limitedOperator', 'operator']
    ] as const) {
      if (id === 'log_out' || !covers(role, needed)) continue
      const response = await fetchAs(who, filled(path), { method })
      const isRefused = response.status === 403
      const text = response.headers.get('content-type')?.includes('json') ? await response.text() : ''
      await response.body?.cancel().catch(() => {})
      t.equal(isRefused, !limited && needed !== 'anyone', `${id} as ${who}: ${response.status} ${text}`)
      if (isRefused) t.match(text, /limited to instances with site=berlin.*: this is of the whole cluster/, id)
      t.notMatch(text, unseen, id)
    }
  }
})

/**
 * How each operation that limited callers reach is tried: returns all that they are told, which must not have the
 * others.
 */
type Limited = 'limitedViewer' | 'limitedOperator' | 'nowhere'

const attempts: Record<string, (world: World, who: Limited) => Promise<string>> = {
  list_instances: async ({ get }, who) => await get(who, '/v1/instances'),
  list_nodes: async ({ get }, who) =>
    (await get(who, '/v1/nodes')) +
    (await get(who, '/v1/nodes?instance=paris-1')).replace('"instance":"paris-1"', '') +
    (await get(who, '/v1/nodes?after=a/b')),
  list_elastic_groups: async ({ get }, who) => await get(who, '/v1/elastic-groups'),
  get_health: async ({ get }, who) => await get(who, '/v1/health'),
  get_replication: async ({ get }, who) => await get(who, '/v1/replication'),
  list_prometheus_targets: async ({ get }, who) =>
    (await get(who, '/v1/prometheus/targets')) + (await get(who, '/v1/prometheus/targets?proxy=true')),
  get_node_metrics: async ({ get }, who) =>
    (await same(who, get, name => `/v1/nodes/${name}-w/metrics`)) +
    (await get(who, '/v1/nodes/berlin-w/metrics')).replace('no node berlin-w', ''),
  list_requests: async ({ get }, who) => {
    let [texts, after] = ['', '']
    for (;;) {
      const text = await get(who, `/v1/requests?limit=2${after}`)
      texts += text
      const { next } = JSON.parse(text.slice(4))
      if (next === undefined) return texts
      after = `&after=${next}`
    }
  },
  get_request: async (world, who) => {
    const texts = await Promise.all(
      (await reqidsOf(world)).map(async reqid => await world.get(who, `/v1/requests/${reqid}?wait=0.01`))
    )
    return texts.join()
  },
  stream_request_events: async (world, who) => {
    const texts = await Promise.all(
      (await reqidsOf(world)).map(async reqid => await world.get(who, `/v1/requests/${reqid}/events?from=earliest`))
    )
    return texts.join()
  },
  stream_events: async ({ url, bearer, ask, get }, who) => {
    const streams = await Promise.all(
      ['snapshot=true', 'from=earliest'].map(query => openStream(t, `${url}/v1/events?${query}`, bearer(who)))
    )
    const { reqid: last } = await ask(who, 'get_instances')
    const isLast = ({ reqid, type }: any) => reqid === last && type === 'get_instances_response'
    const seen = await Promise.all(streams.map(one => one.collect(isLast)))
    for (const one of streams) one.close()
    return JSON.stringify(seen) + (await get(who, '/v1/events/snapshot'))
  },
  list_events: async ({ get }, who) => {
    const text = await get(who, '/v1/events/history?limit=1000')
    const named = await same(who, get, name => `/v1/events/history?node=${name}-w`)
    return text + named.replaceAll(/"event_cursor":"[^"]*"/g, '')
  },
  get_session: async ({ get }, who) => await get(who, '/v1/session'),
  log_out: async ({ fetchAs }, who) => await (await fetchAs(who, '/v1/session', { method: 'DELETE' })).text(),
  create_ticket: async ({ fetchAs, url }, who) => {
    const { ticket } = (await (await fetchAs(who, '/v1/tickets', { method: 'POST' })).json()) as { ticket: string }
    const stream = await openStream(t, `${url}/v1/events?snapshot=true&ticket=${ticket}`)
    const events = await stream.collect(({ type }) => type === 'snapshot-end')
    stream.close()
    return JSON.stringify(events)
  },
  ...Object.fromEntries(
    requestTypes
      .filter(type => (requests[type] as RequestDefinition).limited)
      .map(type => [`request_${type}`, attemptOf(type)])
  )
}
/** Returns what is answered for what is not seen, which must be what is answered for what is not there. */
async function same(who: Limited, get: World['get'], path: (name: string) => string): Promise<string> {
  const [paris, turin] = [await get(who, path('paris')), await get(who, path('turin'))]
  t.equal(paris.replaceAll('paris', 'turin'), turin, path('paris'))
  return turin
}

/** Whether an attempt is not told of any instance: because of the role, or since there is nothing to tell. */
const tellsNothing = (id: string, who: string) =>
  who === 'nowhere' ||
  /replication|session|log_out|test_timeout/.test(id) ||
  (who === 'limitedViewer' && /request_(start|stop|restart|diagnose|cleanup)/.test(id))

function attemptOf(type: string) {
  return async ({ post, paris }: World, who: Limited) => {
    if (!covers(who === 'limitedViewer' ? 'viewer' : 'operator', requests[type as 'start'].role)) return ''
    const asked = paris.asked.length
    const required = type === 'get_id_value' ? { id: 'Cluster::nodes' } : {}
    const timeless = async (args: object) =>
      (await (await post(who, type, { ...required, ...args })).text()).replaceAll(
        /"(reqid|created_at|finished_at|expires_at|event_cursor)":"[^"]*"/g,
        ''
      )
    let told = type === 'test_timeout' ? '' : await timeless({})
    for (const [of, name] of [
      ['nodes', 'w'],
      ['instances', '1']
    ] as const) {
      if (!(of in requests[type as 'start'].arguments.properties)) continue
      const [paris, turin] = [await timeless({ [of]: [`paris-${name}`] }), await timeless({ [of]: [`turin-${name}`] })]
      t.equal(paris.replaceAll('paris', 'turin'), turin, `${type} of ${of}`)
      told += turin
    }
    t.equal(paris.asked.length, asked, `${type} asks nobody in paris`)
    if (type === 'stop') await post(who, 'start')
    return told
  }
}

async function reqidsOf({ get }: World): Promise<string[]> {
  const { requests } = JSON.parse((await get('operator', '/v1/requests?limit=200')).slice(4)) as {
    requests: ClusterRequest[]
  }
  return requests.map(({ reqid }) => reqid)
}

await t.test('of what is not in its scope a limited caller is told nothing, whatever it asks', async t => {
  const world = await start(t)
  t.same(
    operations
      .filter(({ limited }) => limited)
      .map(({ id }) => id)
      .sort(),
    Object.keys(attempts).sort(),
    'each operation that limited callers reach is tried here'
  )
  await stir(world)
  for (const who of ['limitedViewer', 'limitedOperator', 'nowhere'] as const) {
    for (const [id, attempt] of Object.entries(attempts)) {
      const told = await attempt(world, who)
      const slip = (who === 'nowhere' ? /paris|berlin-/ : unseen).exec(told)
      t.notOk(slip, `${id} as ${who}: ${slip && told.slice(Math.max(0, slip.index - 200), slip.index + 100)}`)
      t.equal(/berlin-[1w]/.test(told), !tellsNothing(id, who), `${id} as ${who} tells of what is seen`)
    }
  }
})

await t.test(
  'the address of an instance that has no host in its configuration is hidden like one that has',
  async t => {
    const { ask } = await start(t)
    const valuesFor = async (who: 'viewer' | 'limitedViewer') =>
      JSON.stringify((await ask(who, 'get_id_value', { id: 'Cluster::nodes' })).results)
    t.match(await valuesFor('viewer'), /127\.0\.0\.2/)
    const seen = await valuesFor('limitedViewer')
    t.match(seen, /berlin-w.*…/)
    t.notMatch(seen, unseen)
  }
)

await t.test('who sees everything is told of everything, as before', async t => {
  const world = await start(t)
  await stir(world)
  for (const path of ['/v1/instances', '/v1/nodes', '/v1/requests', '/v1/events/history', '/v1/health']) {
    t.match(await world.get('viewer', path), /paris-[1w]/, path)
  }
})

await t.test('an instance whose labels change is seen no more, or is seen, at once: by open streams, too', async t => {
  const world = await start(t)
  const { url, bearer, berlin, paris, deploy, get } = world
  const { cursor } = JSON.parse((await get('limitedViewer', '/v1/events/history?limit=1')).slice(4)).events[0]
  const streams = await Promise.all(
    Array.from({ length: 3 }, () => openStream(t, `${url}/v1/events`, bearer('limitedViewer')))
  )
  await Promise.all(streams.map(stream => stream.next('hello')))
  const crash = (reason: string) => {
    berlin.change('berlin-w', 'RUNNING', 'CRASHED', reason)
    paris.change('paris-w', 'RUNNING', 'CRASHED', reason)
  }
  crash('before')
  for (const stream of streams) {
    t.match((await stream.next('notify_change'))?.json, { node: 'berlin-w', reason: 'before' })
  }
  await deploy(sites('paris', 'berlin'))
  crash('after')
  const last = ({ reason }: any) => reason === 'after'
  for (const events of await Promise.all(streams.map(stream => stream.collect(last)))) {
    t.match(events.at(-1)?.json, { node: 'paris-w', reason: 'after' })
    const ofBerlin = events.filter(({ json }) => json.instance === 'berlin-1' && json.reason === 'after')
    t.same(ofBerlin, [], 'nothing of the other')
  }
  const replay = await openStream(t, `${url}/v1/events?from=${cursor}`, bearer('limitedViewer'))
  const replayed = await replay.collect(last)
  t.notMatch(JSON.stringify(replayed), /berlin-/, 'nor of its past')
  t.match(JSON.stringify(replayed), /"before"/, 'the past of what is seen now')
  const ids = replayed.flatMap(({ id }) => (id === undefined ? [] : [Number(id.split('.')[1])]))
  t.same(
    ids,
    [...new Set(ids)].sort((a, b) => a - b),
    'cursors only grow'
  )
  t.notMatch(await get('limitedViewer', '/v1/nodes'), /berlin-/)
  await deploy(sites('rome', 'rome'))
  for (const path of ['/v1/nodes', '/v1/instances', '/v1/events/history', '/v1/requests']) {
    t.notMatch(await get('limitedViewer', path), /berlin-|paris-/, path)
  }
  t.match(await get('limitedViewer', '/v1/health'), /^503 .*not_deployed/)
})

await t.test('over the WebSocket a limited caller is answered what it asks, and hears nothing of others', async t => {
  const world = await start(t)
  const { settings, bearer, ask, paris } = world
  const open = async (who: Parameters<typeof bearer>[0]) =>
    await openClient(t, settings.controller_websocket_port, [topic, 'zeek/other'], { headers: bearer(who) })
  const [limited, whole, third] = [await open('limitedOperator'), await open('operator'), await open('operator')]
  await ask('operator', 'get_nodes')
  t.match(await whole.event(), ['get_nodes_request'], 'others hear of it')
  const asked = paris.asked.length
  for (const type of ['get_instances', 'get_nodes', 'restart']) {
    limited.send(requestFrame(type, type, type === 'restart' ? [set([])] : []))
  }
  limited.send(requestFrame('get_id_value', 'named', [string('Cluster::nodes'), set([string('paris-w')])]))
  limited.send(requestFrame('deploy', 'deploy'))
  const told: Record<string, any> = {}
  for (let n = 0; n < 5; n++) {
    const [name, reqid, results] = await limited.event()
    t.match(name, /_response$/)
    told[reqid] = results
  }
  t.match(told.deploy, [['deploy', false, null, null, /limited to instances with site=berlin/]])
  t.match(told.named, [['named', false]])
  t.match(JSON.stringify(told.named), /unknown cluster node/)
  for (const type of ['get_instances', 'get_nodes', 'restart']) t.match(JSON.stringify(told[type]), /berlin-1/, type)
  delete told.named
  t.notMatch(JSON.stringify(told), unseen)
  t.equal(paris.asked.length, asked, 'nobody is asked in paris')
  limited.send(requestFrame('get_nodes', 'whisper', [], 'zeek/other'), requestFrame('get_instances', 'read'))
  t.match(await limited.event(), ['get_instances_response', 'read'])
  third.send(requestFrame('get_nodes', 'loud', [], 'zeek/other'))
  const heard: string[] = []
  while (heard.at(-1) !== 'loud') heard.push((await whole.event())[1])
  t.notOk(heard.includes('whisper'), 'nor do others hear what it says')
})

await t.test('a session of a limited token is limited, and a repeated request is that of the same caller', async t => {
  const { url, tokens, post, get, fetchAs } = await start(t)
  const opened = await fetch(`${url}/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({ token: tokens.limitedViewer })
  })
  t.match(await opened.json(), { role: 'viewer', labels: { site: 'berlin', tap: 'uplink' } })
  const cookie = opened.headers.getSetCookie()[0]!.split(';')[0]!
  t.notMatch(await (await fetch(`${url}/v1/nodes`, { headers: { cookie } })).text(), unseen)
  t.equal((await fetch(`${url}/v1/revisions`, { headers: { cookie } })).status, 403)
  t.match(
    JSON.parse((await get('admin', '/v1/tokens')).slice(4)).tokens.filter(({ session_of: parent }: any) => parent),
    [{ labels: { site: 'berlin', tap: 'uplink' } }]
  )
  const again = async (who: 'viewer' | 'limitedViewer') => {
    const response = await post(who, 'get_nodes', {}, { 'idempotency-key': 'k' })
    return [response.headers.get('idempotent-replayed'), unseen.test(await response.text())]
  }
  t.same(
    [await again('viewer'), await again('limitedViewer'), await again('limitedViewer'), await again('viewer')],
    [
      [null, true],
      [null, false],
      ['true', false],
      ['true', true]
    ]
  )
  const { requests } = (await (await fetchAs('viewer', '/v1/requests?type=get_nodes')).json()) as {
    requests: ClusterRequest[]
  }
  t.same(
    requests.map(({ limited_to: labels }) => labels),
    [{ site: 'berlin', tap: 'uplink' }, undefined],
    'which it has reached is told'
  )
})
