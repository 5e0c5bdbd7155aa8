import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { Problem } from '../../schemas/api.js'
import { checker } from '../../schemas/validator.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { manager, small } from '../controller/fake-agent.js'

const checkProblem = checker(Problem, errors => new Error(JSON.stringify(errors)))
const jsonHeaders = { 'content-type': 'application/json' }

/** One controller for all: nothing that is refused here changes anything. */
const { url, settings, controller } = await startTestController(t, { 'controller-body-limit': '20000' })

/** Asks for something that must be refused, and returns the problem. */
async function refused(path: string, init: RequestInit = {}) {
  const response = await fetch(url + path, init)
  const body: any = await response.json()
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) {
    throw new Error(`${response.status} ${response.headers.get('content-type')} ${JSON.stringify(body)}`)
  }
  checkProblem(body, 'problem')
  if (body.status !== response.status) {
    throw new Error(`the status is ${response.status}, the problem says ${body.status}`)
  }
  return { ...body, headers: response.headers, field: body.errors?.[0]?.field }
}
const post = (type: string, body: unknown, headers: Record<string, string> = jsonHeaders) =>
  refused(`/v1/requests/${type}`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body)
  })
const stage = (node: object, instance: object = {}) =>
  post('stage_configuration', {
    config: { instances: [{ name: 'agent-a', ...instance }], nodes: [{ ...manager(), ...node }] }
  })
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

await t.test('unknown fields are refused by their path', async t => {
  t.match(await post('deploy', { forced: true }), {
    status: 400,
    code: 'invalid_request',
    field: 'body/forced',
    detail: 'body/forced is not known'
  })
  t.match(await stage({ rol: 'x' }), { status: 400, field: 'body/config/nodes/0/rol' })
  t.match(await stage({}, { Host: '10.0.0.1' }), { field: 'body/config/instances/0/Host' })
  t.match(await post('get_nodes', { nodes: [] }), { field: 'body/nodes' })
})

await t.test('missing fields are refused by their path', async t => {
  t.match(await post('stage_configuration', {}), { status: 400, field: 'body/config' })
  t.match(await post('get_id_value', { nodes: [] }), { field: 'body/id' })
  t.match(await post('stage_configuration', { config: { instances: [] } }), { field: 'body/config/nodes' })
  t.match(await stage({ instance: null }), { field: 'body/config/nodes/0/instance' })
})

await t.test('nothing is coerced in bodies', async t => {
  for (const [node, field] of [
    [{ port: '5' }, 'port'],
    [{ port: 5.5 }, 'port'],
    [{ cpu_affinity: true }, 'cpu_affinity'],
    [{ scripts: 'a' }, 'scripts'],
    [{ name: 5 }, 'name']
  ] as const) {
    t.match(await stage(node), { status: 400, field: `body/config/nodes/0/${field}` })
  }
  t.match(await post('deploy', { force: 'true' }), { field: 'body/force' })
  t.match(await post('deploy', { force: 1 }), { field: 'body/force' })
  t.match(await post('restart', { nodes: 'worker-1' }), { field: 'body/nodes' })
  t.match(await post('restart', { nodes: [null] }), { field: 'body/nodes/0' })
})

await t.test('values out of bounds are refused', async t => {
  for (const port of [0, -1, 65536, 1e300]) {
    t.match(await stage({ port }), { status: 400, field: 'body/config/nodes/0/port' })
  }
  for (const host of ['localhost', '0.0.0.0', '::', '0::0', 'fe80::1%eth0', '256.0.0.1', '10.0.0.1/8', '']) {
    t.match(await stage({}, { host }), { field: 'body/config/instances/0/host' })
  }
  for (const role of ['worker', 'Supervisor::WORKER', '']) {
    t.match(await stage({ role }), { field: 'body/config/nodes/0/role' })
  }
})

await t.test('bad names are refused', async t => {
  for (const name of ['', '.', '..', 'a/b', '-a', 'a b', 'a\n', 'ä', 'x'.repeat(65), '\u0000']) {
    t.match(await stage({ name }), { status: 400, field: 'body/config/nodes/0/name' }, JSON.stringify(name))
    t.match(await post('restart', { nodes: [name] }), { field: 'body/nodes/0' })
  }
  for (const id of ['', 'a b', 'a;b', '1a', 'x'.repeat(257)]) {
    t.match(await post('get_id_value', { id }), { field: 'body/id' })
  }
})

await t.test('what would be a flag, an option or another line is no script, interface or value', async t => {
  for (const script of ['-x', 'a b', 'X::y=1', 'a\nb', '']) {
    t.match(await stage({ scripts: [script] }), { status: 400, field: 'body/config/nodes/0/scripts/0' }, script)
  }
  for (const source of ['-r', 'lo lo', '']) {
    t.match(await stage({ interface: source }), { field: 'body/config/nodes/0/interface' }, source)
  }
  t.match(await stage({ env: { A: 'a\nb' } }), { field: 'body/config/nodes/0/env/A' })
  t.match(await stage({ env: { 'A=B': 'c' } }), { status: 400 })
  t.match(await stage({ options: { 'X::y z': '1' } }), { status: 400 })
})

await t.test('bodies that are no JSON are refused', async t => {
  for (const body of ['{', '{"a":}', 'deploy', '{} {}', '\ufeff{']) {
    t.match(await post('deploy', body), { status: 400, code: 'invalid_request' }, body)
  }
  for (const body of ['[]', '5', '"x"', 'true']) {
    t.match(await post('deploy', body), { status: 400, code: 'invalid_request' }, body)
  }
})

await t.test('bodies that would change prototypes are refused', async t => {
  t.match(await post('deploy', '{"__proto__":{"force":true}}'), { status: 400, code: 'invalid_request' })
  t.match(await post('stage_configuration', '{"config":{"instances":[],"nodes":[],"constructor":{"prototype":{}}}}'), {
    status: 400
  })
  t.equal(({} as any).force, undefined)
})

await t.test('bodies that are nested too deep are refused, brackets in strings are not counted', async t => {
  t.match(await post('deploy', nested(65)), {
    status: 400,
    code: 'invalid_request',
    detail: 'body is nested more than 64 deep'
  })
  t.match(await post('deploy', nested(64)), { status: 400, detail: 'body must be object' })
  t.match(await post('deploy', { force: nested(100) + '\\"' }), { field: 'body/force' })
})

await t.test('bodies that are too large are refused', async t => {
  t.match(await post('restart', { nodes: [' '.repeat(20_000)] }), { status: 413, code: 'payload_too_large' })
})

await t.test('only JSON is taken', async t => {
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/problem+json',
    'application/jsonx',
    'multipart/form-data; boundary=x'
  ]) {
    const { status } = await post('deploy', '{}', { 'content-type': type })
    t.ok([415, 400].includes(status), type)
  }
  t.match(
    await refused('/v1/requests/deploy', { method: 'POST', body: new Blob(['{}']) }),
    { status: 415, code: 'unsupported_media_type' },
    'none at all'
  )
})

await t.test('unknown types and requests are not found', async t => {
  t.match(await post('explode', {}), { status: 404, code: 'not_found', detail: 'there is no request type explode' })
  t.match(await post('__proto__', {}), { status: 404 })
  for (const path of ['', '/events']) {
    t.match(await refused(`/v1/requests/no-such-id${path}`), {
      status: 404,
      code: 'not_found',
      detail: 'there is no request no-such-id'
    })
  }
  for (const path of ['/nothing', '/v1', '/v2/instances', '/v1/instances/', '/v1/configurations']) {
    t.match(await refused(path), { status: 404, code: 'not_found' }, path)
  }
})

await t.test('bad identifiers of requests are refused', async t => {
  for (const reqid of ['a%20b', 'x'.repeat(65), '%C3%A4', 'a%2Fb']) {
    t.match(await refused(`/v1/requests/${reqid}`), { status: 400, field: 'params/reqid' }, reqid)
  }
})

await t.test('a known path with another method says which there are', async t => {
  for (const [method, path, allow] of [
    ['DELETE', '/v1/requests', 'GET'],
    ['POST', '/v1/events', 'GET'],
    ['PUT', '/v1/requests/deploy', 'POST'],
    ['POST', '/healthz', 'GET'],
    ['PATCH', '/v1/configurations/staged', 'GET'],
    ['POST', '/v1/requests', 'GET'],
    ['POST', '/v1/requests/x/events', 'GET']
  ] as const) {
    const { status, code, headers } = await refused(path, { method })
    t.match({ status, code }, { status: 405, code: 'method_not_allowed' }, path)
    t.ok(headers.get('allow').split(', ').includes(allow), `${path} takes ${headers.get('allow')}`)
  }
})

await t.test('queries are checked', async t => {
  for (const [path, field] of [
    ['/v1/requests?limit=0', 'limit'],
    ['/v1/requests?limit=201', 'limit'],
    ['/v1/requests?limit=x', 'limit'],
    ['/v1/requests?state=done', 'state'],
    ['/v1/requests?type=x', 'type'],
    ['/v1/requests?after=-1', 'after'],
    ['/v1/requests?after=00', 'after'],
    ['/v1/requests?after=1.5', 'after'],
    ['/v1/requests?after=9007199254740993', 'after'],
    ['/v1/requests?after=a%20b', 'after'],
    ['/v1/requests?before=1', 'before'],
    ['/v1/requests?limit=1&limit=2', 'limit'],
    ['/v1/requests?stat=pending', 'stat'],
    ['/v1/requests/x?wait=31', 'wait'],
    ['/v1/requests/x?wait=-1', 'wait'],
    ['/v1/requests/x?wait=', 'wait'],
    ['/v1/events?types=nonsense', 'types'],
    ['/v1/events?types=', 'types'],
    ['/v1/events?node=a%20b', 'node'],
    ['/v1/events?snapshot=maybe', 'snapshot'],
    ['/v1/events?from=yesterday', 'from'],
    ['/v1/events?type=notify_change', 'type'],
    ['/v1/events?types=notify_change&types=nonsense', 'types']
  ] as const) {
    t.match(await refused(path), { status: 400, code: 'invalid_request', field: `querystring/${field}` }, path)
  }
  t.match(await refused('/v1/configurations/imaginary'), { status: 400, field: 'params/state' })
})

await t.test('timeouts are checked', async t => {
  for (const timeout of ['0', '-1', 'soon', '', '3601', 'Infinity', 'NaN', '1e9']) {
    t.match(
      await refused(`/v1/requests/get_nodes?timeout=${timeout}`, { method: 'POST' }),
      { status: 400, code: 'invalid_request', field: 'querystring/timeout' },
      timeout
    )
  }
})

await t.test('keys that are no keys are refused', async t => {
  for (const key of ['""', '"a', 'a b', 'a"b', 'x'.repeat(256), `"${'x'.repeat(256)}"`]) {
    t.match(
      await refused('/v1/requests/get_nodes', { method: 'POST', headers: { 'idempotency-key': key } }),
      { status: 400, field: 'headers/idempotency-key' },
      key
    )
  }
})

await t.test('a format that the events do not have is refused', async t => {
  for (const path of ['/v1/events', '/v1/requests/x/events']) {
    t.match(await refused(path, { headers: { accept: 'application/json' } }), { status: 406, code: 'not_acceptable' })
  }
})

/** With headers that fetch does not let us set. */
async function from(
  path: string,
  headers: Record<string, string>,
  method = 'GET'
): Promise<{ status: number; code?: string }> {
  return await new Promise((resolve, reject) => {
    httpRequest(
      { port: settings.controller_websocket_port, host: '127.0.0.1', path, headers, method, agent: false },
      async response => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({
          status: response.statusCode!,
          code: /problem/.test(response.headers['content-type'] ?? '') ? JSON.parse(text).code : undefined
        })
      }
    )
      .on('error', reject)
      .end()
  })
}

await t.test('a Host that is not this server is refused on every route', async t => {
  for (const path of [
    '/healthz',
    '/v1/events',
    '/v1/requests',
    '/docs',
    '/',
    '/docs/guide/',
    '/openapi.yaml',
    '/metrics',
    '/nowhere'
  ]) {
    t.match(await from(path, { host: 'evil.example' }), { status: 403, code: 'forbidden' }, path)
  }
  for (const host of ['127.0.0.1.evil.example', '0.0.0.0', 'localhost.evil.example', '127.0.0.1:80:80', '10.0.0.1']) {
    t.match(await from('/healthz', { host }), { status: 403 }, host)
  }
  for (const host of [
    'localhost',
    '127.0.0.1',
    '[::1]',
    `localhost:${settings.controller_websocket_port}`,
    '[::1]:80',
    '127.9.9.9'
  ]) {
    t.match(await from('/healthz', { host }), { status: 200 }, host)
  }
})

await t.test('an Origin that is not this server is refused', async t => {
  const host = `127.0.0.1:${settings.controller_websocket_port}`
  for (const origin of ['http://evil.example', 'null', `https://${host}`, 'http://127.0.0.1', '', `http://${host}/`]) {
    t.match(await from('/v1/requests/get_nodes', { host, origin }, 'POST'), { status: 403, code: 'forbidden' }, origin)
  }
  t.match(await from('/healthz', { host, origin: `http://${host}` }), { status: 200 })
})

await t.test('what was refused has left nothing behind', async (t: Test) => {
  t.same((await getJson(`${url}/v1/requests`)).requests, [])
  t.match(controller.cursor, /\.0$/)
  t.equal(controller.pendingRequests, 0)
})

await t.test('null counts as absent', async t => {
  const { instances, nodes } = small()
  const nulled = {
    ...nodes[0],
    port: null,
    metrics_port: null,
    interface: null,
    cpu_affinity: null,
    scripts: null,
    options: null,
    env: {}
  }
  const body = JSON.stringify({
    config: {
      id: null,
      instances: instances.map(instance => ({ ...instance, host: null, listen_port: null })),
      nodes: [nulled]
    }
  })
  const response = await fetch(`${url}/v1/requests/stage_configuration`, {
    method: 'POST',
    headers: { ...jsonHeaders, prefer: 'wait=10' },
    body
  })
  t.equal(((await response.json()) as any).state, 'succeeded')
  const { configuration } = await getJson(`${url}/v1/configurations/staged`)
  t.same([configuration.instances, configuration.nodes], [[{ name: 'agent-a' }], [{ ...manager(), env: {} }]])
})

await t.test('what is no HTTP, or too long for it, is refused with a problem, too', async t => {
  const long = 'a'.repeat(20_000)
  t.match(await refused(`/v1/events?node=${long}`), { status: 431, code: 'headers_too_large' })
  t.match(await refused('/v1/nodes', { headers: { 'x-long': long } }), { status: 431 })
  const socket = connect(settings.controller_websocket_port, '127.0.0.1')
  socket.end('no HTTP\r\n\r\n')
  t.match(
    await text(socket),
    /^HTTP\/1\.1 400 Bad Request\r\n[^]*content-type: application\/problem\+json[^]*"code":"invalid_request"/
  )
})

await t.test('what is no HTTP does not get an answer into a stream', async t => {
  const socket = connect(settings.controller_websocket_port, '127.0.0.1')
  socket.write(`GET /v1/events HTTP/1.1\r\nhost: 127.0.0.1:${settings.controller_websocket_port}\r\n\r\n`)
  await once(socket, 'data')
  socket.write('no HTTP\r\n\r\n')
  t.notMatch(await text(socket), 'HTTP/1.1')
})

await t.test('all that is wrong in a configuration is told at once, without patterns', async t => {
  const worker = { ...manager(), role: 'WORKER' }
  const problem = await post('stage_configuration', {
    config: {
      instances: [{ name: 'a b' }, { name: 'b', host: '0.0.0.0' }],
      nodes: [
        { ...worker, interface: 'eth0 -i eth1' },
        { ...worker, inteface: 'eth0', interfaces: 'eth0', colour: 'red' },
        { ...worker, interface: 'eth2 eth3', env: { A: 'a\nb', 'B C': 'd', E: 'f' }, role: undefined }
      ]
    }
  })
  const nodes = 'body/config/nodes'
  t.same(problem.errors, [
    {
      field: 'body/config/instances/0/name',
      message: 'must be a name of 1 to 64 letters, digits, ".", "_" and "-" that begins with none of "." and "-"'
    },
    {
      field: 'body/config/instances/1/host',
      message: 'must be an IP address, neither 0.0.0.0 nor ::, and without a zone'
    },
    { field: `${nodes}/0/interface`, message: 'must be one interface per node, without white space, and no flag' },
    { field: `${nodes}/1/inteface`, message: 'is not known; did you mean interface?' },
    { field: `${nodes}/1/interfaces`, message: 'is not known; did you mean interface?' },
    { field: `${nodes}/1/colour`, message: 'is not known' },
    { field: `${nodes}/2/interface`, message: 'must be one interface per node, without white space, and no flag' },
    { field: `${nodes}/2/env/A`, message: 'must be a text without control characters' },
    { field: `${nodes}/2/env/B C`, message: 'is not a valid name' },
    { field: `${nodes}/2/role`, message: 'is required' }
  ])
})

await t.test('of very many errors the first hundred are told', async t => {
  const { errors } = await post('restart', { nodes: Array.from({ length: 1000 }, () => '-') })
  t.equal(errors.length, 100)
})

await t.test('a body of very many values is refused before it is parsed', async t => {
  const { url } = await startTestController(t)
  const post = async (type: string, body: string) => {
    return await answerOf(await fetch(`${url}/v1/requests/${type}`, { method: 'POST', headers: jsonHeaders, body }))
  }
  for (const many of [
    `{"nodes":[${Array(40_000).fill(0)}]}`,
    `{${Array.from({ length: 40_000 }, (_, n) => `"m${n}":0`)}}`,
    `{"nodes":[${Array(40_000).fill('[]')}]}`,
    // It is not even JSON.
    ','.repeat(40_000)
  ]) {
    const { status, json } = await post('start', many)
    t.match([status, json.detail], [400, 'body has more than 32768 values'])
  }
  const text = `{"nodes":["${',[{'.repeat(40_000)}"]}`
  t.notMatch((await post('start', text)).json.detail, /values/, 'those within a text are none')
  const names = Array.from({ length: 10_000 }, (_, n) => `w-${n}`)
  t.equal((await post('start', JSON.stringify({ nodes: names, instances: names }))).status, 202)
})

await t.test('a name of a member that is very long is cut in the error', async t => {
  const { errors, detail } = await post('restart', { [`x${'y'.repeat(5_000)}`]: 1, nodes: 5 })
  t.same(
    errors.map(({ field }: any) => field),
    [`body/x${'y'.repeat(254)}…`, 'body/nodes']
  )
  t.ok(detail.length < 600)
})

await t.test('a likely typo in a body or a query has the name that was meant', async t => {
  t.match(await post('deploy', { forced: true }), {
    errors: [{ field: 'body/forced', message: 'is not known; did you mean force?' }]
  })
  t.match(await refused('/v1/requests?stat=pending'), {
    errors: [{ field: 'querystring/stat', message: 'is not known; did you mean state?' }]
  })
})
