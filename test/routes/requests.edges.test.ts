import t from 'tap'
import { startTestController } from '../support/controller.js'
import { worker } from '../controller/fake-agent.js'

const { url } = await startTestController(t)
const post = (type: string, body: string, headers: Record<string, string> = {}, query = '') =>
  fetch(`${url}/v1/requests/${type}${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body
  })

// The fingerprint is of the text that JSON.stringify makes, which keeps the order of members.
await t.test('the same payload is the same whatever the order of its members', async t => {
  const node = worker()
  const turned = Object.fromEntries(Object.entries(node).reverse())
  const body = (one: object) => JSON.stringify({ config: { instances: [{ name: 'agent-a' }], nodes: [one] } })
  const headers = { 'idempotency-key': 'k' }
  t.equal((await post('stage_configuration', body(node), headers)).status, 202)
  t.not((await post('stage_configuration', body(turned), headers)).status, 422)
})

// Fastify answers these itself, before any of our handlers: frameworkErrors would have them.
await t.test('paths that cannot be read are problems, too', async t => {
  for (const path of ['/v1/requests/%zz', `/v1/requests/${'a'.repeat(120)}`]) {
    const response = await fetch(url + path)
    t.match(response.headers.get('content-type'), /^application\/problem\+json/, path.slice(0, 30))
    t.match(((await response.json()) as any).code, /^(invalid_request|not_found)$/)
  }
})

await t.test('a bad name in a map is one error', async t => {
  const response = await post(
    'stage_configuration',
    JSON.stringify({ config: { instances: [], nodes: [{ ...worker(), env: { 'a b': 'x' } }] } })
  )
  t.same(((await response.json()) as any).errors, [
    { field: 'body/config/nodes/0/env/a b', message: 'is not a valid name' }
  ])
})

await t.test('where no configuration is taken a body is small', async t => {
  const { url } = await startTestController(t)
  const post = async (path: string, bytes: number) =>
    (
      await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ nodes: ['x'.repeat(bytes)] })
      })
    ).status
  t.same(
    [
      await post('/v1/requests/restart', 1_000_000),
      await post('/v1/requests/restart', 1_100_000),
      await post('/v1/requests/stage_configuration', 1_100_000),
      await post('/v1/session', 2000)
    ],
    [400, 413, 400, 413]
  )
})
