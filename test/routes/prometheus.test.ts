import { request } from 'node:http'
import t, { type Test } from 'tap'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { fakeAgent, never, small, type FakeAgentOptions } from '../controller/fake-agent.js'

async function deployed(t: Test, options: FakeAgentOptions = {}, flags: Record<string, string> = {}) {
  const controller = await startTestController(t, flags)
  const agent = await fakeAgent(t, controller.settings.controller_port, options)
  await controller.ask('stage_configuration', { config: small() })
  if ((await controller.ask('deploy')).state !== 'succeeded') throw new Error('it is not deployed')
  return { ...controller, agent, start: controller.settings.controller_auto_assign_metrics_start_port }
}

/** With a Host of one's own, which fetch does not let one have. */
const withHost = (url: string, host: string) =>
  new Promise<any>((resolve, reject) => {
    request(url, { headers: { host } }, response => {
      let text = ''
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () => resolve(JSON.parse(text)))
    })
      .once('error', reject)
      .end()
  })

const labels = {
  manager: { instance: 'agent-a', node: 'manager', role: 'MANAGER' },
  worker: { instance: 'agent-a', node: 'worker-1', role: 'WORKER' }
}
const proxied = (host: string, scheme = 'http') =>
  Object.values(labels).map(labels => ({
    targets: [host],
    labels: { ...labels, __scheme__: scheme, __metrics_path__: `/v1/nodes/${labels.node}/metrics` }
  }))
const direct = (host: string, start: number) =>
  Object.values(labels).map((labels, index) => ({ targets: [`${host}:${start + index}`], labels }))

await t.test('Prometheus finds each node of the deployment where others can reach it', async t => {
  const { url, ask, settings } = await startTestController(t, { 'controller-metrics-listen': 'host' })
  const targets = (query = '') => getJson(`${url}/v1/prometheus/targets${query}`)
  t.same(await targets(), [])
  await fakeAgent(t, settings.controller_port, { hello: { host: 'fd00::1' } })
  await ask('stage_configuration', { config: small() })
  t.same(await targets(), [], 'what is staged is not there yet')
  await ask('deploy')
  const start = settings.controller_auto_assign_metrics_start_port
  t.same(await targets(), direct('[fd00::1]', start))
  t.same(await targets('?proxy=false'), direct('[fd00::1]', start))
  t.same(await targets('?proxy=true'), proxied(new URL(url).host))
})

await t.test(
  'Prometheus finds nodes that only their own host reaches at the controller, by the name that it knows',
  async t => {
    const { url, start } = await deployed(t, {}, { 'controller-hosts': 'controller.example' })
    const targets = `${url}/v1/prometheus/targets`
    t.same(await getJson(targets), proxied(new URL(url).host))
    t.same(await withHost(targets, 'controller.example:8443'), proxied('controller.example:8443'))
    t.same(await getJson(`${targets}?proxy=false`), direct('127.0.0.1', start))
    t.match(await getJson(`${targets}?proxy=perhaps`), { status: 400, errors: [{ field: 'querystring/proxy' }] })
  }
)

await t.test(
  'Prometheus finds nodes of other hosts at the controller, as they serve their metrics on loopback',
  async t => {
    const { url, agent } = await deployed(t, { hello: { host: '10.0.0.7' } })
    t.same(await getJson(`${url}/v1/prometheus/targets`), proxied(new URL(url).host))
    const { metrics_host: host } = await agent.layoutOf((await agent.question('deploy')).share)
    t.equal(host, '127.0.0.1')
  }
)

await t.test('where a proxy speaks TLS, Prometheus speaks it too', async t => {
  const { url } = await deployed(t, {}, { 'controller-tls-by-proxy': 'true', 'controller-hosts': 'controller.example' })
  t.same(await withHost(`${url}/v1/prometheus/targets`, 'controller.example'), proxied('controller.example', 'https'))
})

await t.test('without metrics ports there are no targets', async t => {
  const { url } = await deployed(t, {}, { 'controller-auto-assign-metrics-ports': 'false' })
  t.same(await getJson(`${url}/v1/prometheus/targets?proxy=true`), [])
})

await t.test('the metrics of a node pass through its agent as they are', async t => {
  const text = '# TYPE zeek_x counter\nzeek_x{a="ü"} 1\n'
  const { url, agent } = await deployed(t, {
    handlers: { get_metrics: () => ({ text, content_type: 'text/plain; version=0.0.4; charset=utf-8' }) }
  })
  const response = await fetch(`${url}/v1/nodes/worker-1/metrics`)
  t.same(
    [response.status, response.headers.get('content-type'), await response.text()],
    [200, 'text/plain; version=0.0.4; charset=utf-8', text]
  )
  t.same(await agent.question('get_metrics'), { node: 'worker-1' })
  const head = await fetch(`${url}/v1/nodes/worker-1/metrics`, { method: 'HEAD' })
  t.same(
    [head.status, head.headers.get('content-length'), await head.text()],
    [200, String(Buffer.byteLength(text)), '']
  )
  const post = await fetch(`${url}/v1/nodes/worker-1/metrics`, { method: 'POST' })
  t.same([post.status, post.headers.get('allow')?.includes('GET')], [405, true])
})

await t.test('what a node serves is never taken for a page', async t => {
  let type = ''
  const { url } = await deployed(t, {
    handlers: { get_metrics: () => ({ text: '<script>alert(1)</script>', content_type: type }) }
  })
  const typeOf = async (sent: string) => {
    type = sent
    return (await fetch(`${url}/v1/nodes/worker-1/metrics`)).headers.get('content-type')
  }
  for (const sent of [
    'text/html',
    'text/plain\r\nx-evil: 1',
    'image/svg+xml',
    '',
    'text/plainhtml',
    'text/plain; a=\u{1f600}'
  ]) {
    t.equal(await typeOf(sent), 'text/plain; charset=utf-8', JSON.stringify(sent))
  }
  t.equal(await typeOf('application/openmetrics-text; version=1.0.0'), 'application/openmetrics-text; version=1.0.0')
})

await t.test('the metrics of nobody, and of a node that cannot be reached', async t => {
  const { url, controller, agent } = await deployed(t, {
    handlers: {
      get_metrics: () => {
        throw Object.assign(new Error('its endpoint is broken'), { code: 'unavailable' })
      }
    }
  })
  const problemOf = async (node: string) => {
    const { status, code, detail } = await getJson(`${url}/v1/nodes/${node}/metrics`)
    return [status, code, detail]
  }
  t.same(await problemOf('ghost'), [404, 'not_found', 'there is no node ghost'])
  t.same((await problemOf('..%2f..')).slice(0, 2), [400, 'invalid_request'])
  t.same(await problemOf('worker-1'), [503, 'unavailable', 'its endpoint is broken'])
  await agent.close()
  await until(() => controller.instances().some(({ connected }) => !connected), 'it is lost')
  t.same(await problemOf('worker-1'), [503, 'unavailable', 'instance agent-a is not connected'])
})

await t.test('an agent that does not answer, or answers nonsense, is a node that cannot be reached', async t => {
  const silent = await deployed(t, { handlers: { get_metrics: never } })
  t.match(await getJson(`${silent.url}/v1/nodes/worker-1/metrics`), {
    status: 503,
    code: 'unavailable',
    detail: 'instance agent-a has not answered within 5 s'
  })
  const other = await deployed(t, { handlers: { get_metrics: () => ({ text: 5 }) } })
  t.match(await getJson(`${other.url}/v1/nodes/worker-1/metrics`), {
    status: 503,
    code: 'unavailable',
    detail: /content_type is required/
  })
})
