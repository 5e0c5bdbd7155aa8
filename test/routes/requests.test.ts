import t from 'tap'
import { ClusterRequest, requestTypes } from '../../schemas/api.js'
import { checker } from '../../schemas/validator.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { settingsOf } from '../support/settings.js'
import { deployedAgent, fakeAgent, idOfManager, small, stateDir } from '../controller/fake-agent.js'

const check = checker(ClusterRequest, errors => new Error(JSON.stringify(errors)))

async function post(
  url: string,
  type: string,
  {
    headers = {},
    body = {},
    query = '',
    signal
  }: { headers?: Record<string, string>; body?: unknown; query?: string; signal?: AbortSignal } = {}
) {
  const response = await fetch(`${url}/v1/requests/${type}${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {})
  })
  const json = (await response.json()) as any
  if (response.ok) check(json, 'request')
  return { status: response.status, json, header: (name: string) => response.headers.get(name) }
}

/** For tests that leave nothing behind that others mind: a controller takes a third of a second to start. */
const shared = await startTestController(t)

await t.test('a request is accepted at once, and found where the answer says', async t => {
  const { url } = shared
  const { status, json, header } = await post(url, 'test_timeout', { body: { with_state: true } })
  t.equal(status, 202)
  t.match(json, {
    type: 'test_timeout',
    state: 'pending',
    arguments: { with_state: true },
    results: [],
    warnings: [],
    reqid: /^[0-9a-f-]{36}$/
  })
  t.notOk('success' in json || 'finished_at' in json)
  t.equal(header('location'), `/v1/requests/${json.reqid}`)
  t.same([header('preference-applied'), header('idempotent-replayed')], [null, null])
  t.same(await getJson(url + header('location')), json)
})

await t.test('with Prefer: wait the finished request is the answer', async t => {
  const { url } = shared
  const { status, json, header } = await post(url, 'get_instances', { headers: { prefer: 'respond-async, wait=10' } })
  t.equal(status, 200)
  t.match(json, { state: 'succeeded', success: true, finished_at: /Z$/ })
  t.equal(header('preference-applied'), 'wait=10')
  t.equal(header('location'), `/v1/requests/${json.reqid}`)
})

await t.test('what is staged is there as soon as that is accepted, and so is its response', async t => {
  const { url } = await startTestController(t)
  const {
    json: { reqid }
  } = await post(url, 'stage_configuration', { body: { config: small('first') } })
  t.match(await getJson(`${url}/v1/configurations/staged`), { configuration: { id: 'first' } })
  t.match(await getJson(`${url}/v1/requests/${reqid}`), { state: 'succeeded' })
})

await t.test('when the wait is over first, the request is still pending', async t => {
  const { url } = shared
  for (const [prefer, applied] of [
    ['wait=0', 'wait=0'],
    ['wait=1', 'wait=1']
  ] as const) {
    const { status, json, header } = await post(url, 'test_timeout', { headers: { prefer } })
    t.same([status, json.state, header('preference-applied')], [202, 'pending', applied])
  }
})

await t.test('more than can be waited for is cut to the most', async t => {
  const { url } = shared
  t.equal(
    (await post(url, 'get_instances', { headers: { prefer: 'wait=99999' } })).header('preference-applied'),
    'wait=30'
  )
})

await t.test('preferences that make no sense are ignored', async t => {
  const { url } = shared
  for (const prefer of ['wait', 'wait=', 'wait=soon', 'wait=-1', 'wait=1.5', 'await=5', 'handling=strict']) {
    const { status, header } = await post(url, 'get_instances', { headers: { prefer } })
    t.same([status, header('preference-applied')], [202, null], prefer)
  }
})

await t.test('a client that hangs up does not end its request', async t => {
  const { url, controller } = shared
  const stream = await openStream(t, `${url}/v1/events`)
  await stream.next('hello')
  const abort = new AbortController()
  const asking = post(url, 'test_timeout', {
    headers: { prefer: 'wait=30' },
    body: { with_state: true },
    signal: abort.signal
  })
  const { reqid } = (await stream.next('test_timeout_request'))!.json
  abort.abort()
  await t.rejects(asking)
  await post(url, 'get_instances', { headers: { prefer: 'wait=10' } })
  t.equal(controller.getRequest(reqid).state, 'pending')
})

await t.test('a body is not needed where nothing is', async t => {
  const { url } = shared
  for (const init of [
    {},
    { headers: { 'content-type': 'application/json' } },
    { headers: { 'content-type': 'application/json' }, body: '' }
  ]) {
    t.equal((await fetch(`${url}/v1/requests/get_instances`, { method: 'POST', ...init })).status, 202)
  }
})

await t.test('test_timeout, which only takes a place, has a minute at most', async t => {
  const { url } = shared
  t.equal((await post(url, 'test_timeout', { query: '?timeout=60' })).status, 202)
  for (const timeout of [60.001, 61, 3600]) {
    const { status, json } = await post(url, 'test_timeout', { query: `?timeout=${timeout}` })
    t.match([status, json.errors], [400, [{ field: 'querystring/timeout', message: 'must be <= 60' }]])
  }
  t.throws(() => settingsOf({ 'controller-timeout-test-timeout': '61' }), /must be <= 60/)
})

await t.test('every type has its deadline, and ?timeout= sets another', async t => {
  const { url } = await startTestController(t, { 'controller-timeout-restart': '7', 'controller-timeout-max': '60' })
  const needed: Record<string, object> = {
    get_id_value: { id: 'x' },
    stage_configuration: { config: small() },
    set_option: { name: 'x', value: 'y' },
    unset_option: { name: 'x' },
    set_intel: { name: 'x', bundle: 'y' },
    unset_intel: { name: 'x' },
    upgrade: { bundle: 'x' }
  }
  const seconds = async (type: string, query = '') => {
    const { json } = await post(url, type, { body: needed[type] ?? {}, query })
    return (Date.parse(json.expires_at) - Date.parse(json.created_at)) / 1000
  }
  t.same(await Promise.all(['get_nodes', 'restart'].map(type => seconds(type))), [10, 7])
  t.same(
    await Promise.all(requestTypes.map(type => seconds(type, '?timeout=0.5'))),
    requestTypes.map(() => 0.5)
  )
  t.equal(await seconds('get_nodes', '?timeout=60'), 60)
  t.equal((await post(url, 'get_nodes', { query: '?timeout=60.5' })).status, 400)
})

await t.test('one key is one request, quoted or bare', async t => {
  const { url, controller } = await startTestController(t)
  const first = await post(url, 'stage_configuration', {
    headers: { 'idempotency-key': 'k-1' },
    body: { config: small() }
  })
  const again = await post(url, 'stage_configuration', {
    headers: { 'idempotency-key': '"k-1"', prefer: 'wait=10' },
    body: { config: small() }
  })
  t.same([first.header('idempotent-replayed'), again.header('idempotent-replayed')], [null, 'true'])
  t.same([again.status, again.json.reqid, again.json.state], [200, first.json.reqid, 'succeeded'])
  t.equal(again.header('location'), first.header('location'))
  t.equal(controller.listRequests({ limit: 10 }).requests.length, 1)
})

await t.test('a key with another payload is refused', async t => {
  const { url, controller } = await startTestController(t)
  const headers = { 'idempotency-key': 'k' }
  await post(url, 'deploy', { headers, body: { force: true } })
  for (const [type, body, query] of [
    ['deploy', { force: false }, ''],
    ['get_nodes', {}, ''],
    ['deploy', { force: true }, '?timeout=5']
  ] as const) {
    const { status, json } = await post(url, type, { headers, body, query })
    t.match({ status, code: json.code }, { status: 422, code: 'idempotency_key_reused' }, type + query)
  }
  t.equal((await post(url, 'deploy', { headers, body: { force: true } })).header('idempotent-replayed'), 'true')
  t.equal(controller.listRequests({ limit: 10 }).requests.length, 1)
})

await t.test('a key that comes many times at once starts one request', async t => {
  const { url, controller } = await startTestController(t)
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      post(url, 'get_instances', { headers: { 'idempotency-key': 'k', prefer: 'wait=10' } })
    )
  )
  t.equal(new Set(answers.map(({ json }) => json.reqid)).size, 1)
  t.equal(answers.filter(({ header }) => header('idempotent-replayed') === null).length, 1)
  t.same([controller.listRequests({ limit: 10 }).requests.length, controller.pendingRequests], [1, 0])
})

await t.test('a key counts after a restart, too', async t => {
  const flags = { 'management-state-dir': stateDir(t) }
  const headers = { 'idempotency-key': 'k' }
  const first = await startTestController(t, flags)
  const {
    json: { reqid }
  } = await post(first.url, 'get_instances', { headers })
  await first.close()
  const second = await startTestController(t, flags)
  t.match(await post(second.url, 'get_instances', { headers }), { json: { reqid } })
  t.equal((await post(second.url, 'get_nodes', { headers })).status, 422)
})

await t.test('a key of a refused request is free', async t => {
  const { url } = shared
  const headers = { 'idempotency-key': 'k' }
  t.equal((await post(url, 'deploy', { headers, body: { force: 'x' } })).status, 400)
  t.equal((await post(url, 'deploy', { headers })).status, 202)
})

await t.test('the history is filtered by type and state', async t => {
  const { url, ask } = await startTestController(t)
  await ask('get_instances')
  await ask('deploy')
  await ask('stage_configuration', { config: small() })
  await post(url, 'test_timeout', { body: { with_state: true } })
  const types = async (query: string) =>
    (await getJson(`${url}/v1/requests?${query}`)).requests.map(({ type }: { type: string }) => type)
  t.same(await types(''), ['test_timeout', 'stage_configuration', 'deploy', 'get_instances'])
  t.same(await types('type=deploy'), ['deploy'])
  t.same(await types('state=pending'), ['test_timeout'])
  t.same(await types('state=succeeded'), ['stage_configuration', 'get_instances'])
  t.same(await types('state=succeeded&type=deploy'), [])
})

await t.test('pages have neither gaps nor doubles, even while requests come', async t => {
  const { url, ask } = await startTestController(t)
  const reqids: string[] = []
  for (let n = 0; n < 7; n++) reqids.unshift((await ask(n % 2 ? 'get_instances' : 'get_configuration')).reqid)
  const seen: string[] = []
  for (let next: string | undefined = ''; next !== undefined;) {
    const page: any = await getJson(`${url}/v1/requests?limit=3${next && `&after=${next}`}`)
    seen.push(...page.requests.map(({ reqid }: ClusterRequest) => reqid))
    next = page.next
    await ask('get_instances')
  }
  t.same(seen, reqids)
})

await t.test('a long poll is answered when the request is finished', async t => {
  const controller = await startTestController(t)
  const { url } = controller
  let answer = () => {}
  const agent = await deployedAgent(
    t,
    controller,
    () =>
      new Promise(resolve => {
        answer = () => resolve([{ success: true, node: 'manager', data: { value: '1' } }])
      })
  )
  const {
    json: { reqid }
  } = await post(url, 'get_id_value', { body: idOfManager })
  await agent.question('get_id_value')
  const polls = [getJson(`${url}/v1/requests/${reqid}?wait=30`), getJson(`${url}/v1/requests/${reqid}?wait=30`)]
  const pending = await fetch(`${url}/v1/requests/${reqid}?wait=0.01`)
  t.match([pending.headers.get('retry-after'), ((await pending.json()) as ClusterRequest).state], ['1', 'pending'])
  answer()
  for (const poll of polls) t.match(await poll, { reqid, state: 'succeeded' })
  t.equal((await fetch(`${url}/v1/requests/${reqid}`)).headers.get('retry-after'), null)
})

await t.test('too many pending requests are refused, and taken again when there are less', async t => {
  const { url } = await startTestController(t, { 'controller-pending-max': '1' })
  const stream = await openStream(t, `${url}/v1/events?types=test_timeout_response`)
  await post(url, 'test_timeout', { body: { with_state: true }, query: '?timeout=0.3' })
  const { status, json, header } = await post(url, 'get_instances')
  t.match({ status, code: json.code, retry: header('retry-after') }, { status: 503, code: 'unavailable', retry: '5' })
  t.match(await (await fetch(`${url}/metrics`)).text(), /^zeek_cluster_refused_total\{limit="pending"\} 1$/m)
  await stream.next('test_timeout_response')
  t.equal((await post(url, 'get_instances', { headers: { prefer: 'wait=5' } })).status, 200)
})

await t.test('every answer has the shape of its schema', async t => {
  const { url, settings } = await startTestController(t)
  await fakeAgent(t, settings.controller_port)
  for (const [type, body] of [
    ['stage_configuration', { config: small() }],
    ['deploy', {}],
    ['get_nodes', {}],
    ['get_id_value', { id: 'x' }],
    ['restart', { nodes: ['manager', 'ghost'] }],
    ['get_configuration', { deployed: true }]
  ] as const) {
    t.equal((await post(url, type, { body, headers: { prefer: 'wait=10' } })).status, 200, type)
  }
  for (const request of (await getJson(`${url}/v1/requests`)).requests) check(request, 'request')
})

await t.test('a timeout with a fraction of a millisecond is taken', async t => {
  const { url } = shared
  for (const timeout of ['1.2345', '0.0015']) {
    t.equal((await post(url, 'get_instances', { query: `?timeout=${timeout}` })).status, 202, timeout)
  }
})
