import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { connect } from '../../src/client/connection.js'
import { submit } from '../../src/client/requests.js'
import { createAuthority } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'
import { freePorts } from '../support/ports.js'

type Answer = (response: ServerResponse, request: IncomingMessage) => unknown

/** A controller that notes what it is asked, with the body, and answers so; the last answer for all that come then. */
async function controller(t: Test, answers: Answer[], tls?: ServerOptions) {
  const asked: string[] = []
  const headers: IncomingMessage['headers'][] = []
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    headers.push(request.headers)
    asked.push(`${request.method} ${request.url} ${await text(request)}`.trim())
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!
    answer(response, request)
  }
  const server = tls ? createHttpsServer(tls, listener) : createHttpServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.close()
    server.closeAllConnections()
    if (server.listening) await once(server, 'close')
  }
  t.teardown(close)
  return {
    asked,
    headers,
    close,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
}

/** Where nobody listens. */
const nowhere = async () => `http://127.0.0.1:${(await freePorts(1))[0]}`

const json =
  (value: object, status = 200, type = 'application/json'): Answer =>
  response =>
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(value))
const problem = (status: number, code: string): Answer =>
  json({ status, code, title: '', detail: `says ${code}` }, status, 'application/problem+json')
const done = json({ reqid: 'r', state: 'succeeded', nodes: [], id: 'r' })
const lost: Answer = response => response.destroy()
const notLeader = problem(503, 'not_leader')

const { signal } = new AbortController()
const body = { name: 'n', role: 'viewer' } as const
const token = 'POST /v1/tokens {"name":"n","role":"viewer"}'
const nodes = 'GET /v1/nodes'

await t.test('the next one is asked where nobody listens, whatever it is, and it stays the first', async t => {
  const second = await controller(t, [done])
  const api = await connect({ urls: [await nowhere(), `http://localhost:${(await freePorts(1))[0]}`, second.url] })
  await api.POST('/v1/tokens', { body })
  await api.GET('/v1/nodes')
  t.same(second.asked, [token, nodes])
  const third = await controller(t, [done])
  const other = await connect({ urls: [second.url, third.url] })
  await other.GET('/v1/nodes')
  await second.close()
  await other.GET('/v1/nodes')
  await other.POST('/v1/tokens', { body })
  t.same(third.asked, [nodes, token])
})

await t.test('the next one is asked when there is no leader, and gets all of a body that was sent before', async t => {
  const first = await controller(t, [notLeader])
  const second = await controller(t, [done])
  const api = await connect({ urls: [first.url, second.url] })
  const content = 'x'.repeat(1_000_000)
  await api.PUT('/v1/intel/{feed}', {
    params: { path: { feed: 'f' } },
    body: new Blob([content]) as never,
    bodySerializer: blob => blob,
    headers: { 'content-type': 'text/plain' }
  })
  const sent = `PUT /v1/intel/f ${content}`
  t.ok(first.asked.length === 1 && first.asked[0] === sent)
  t.ok(second.asked.length === 1 && second.asked[0] === sent)
  t.equal(second.headers[0]!['content-length'], '1000000')
})

await t.test('all are asked again, after a while, when none of them leads', async t => {
  const first = await controller(t, [notLeader, done])
  const second = await controller(t, [notLeader])
  await (await connect({ urls: [await nowhere(), first.url, second.url] })).POST('/v1/tokens', { body })
  t.same([first.asked, second.asked], [Array(2).fill(token), Array(2).fill(token)])
  const only = await controller(t, [notLeader, done])
  await (await connect({ urls: [only.url] })).POST('/v1/tokens', { body })
  t.same(only.asked, [token, token])
})

await t.test('that has an end', async t => {
  const one = await controller(t, [notLeader])
  const two = await controller(t, [notLeader])
  await t.rejects((await connect({ urls: [one.url, two.url] })).POST('/v1/tokens', { body }), {
    exitCode: 3,
    code: 'not_leader',
    message: new RegExp(`(${one.url}|${two.url}): says not_leader; (${one.url}|${two.url}): says not_leader$`)
  })
  t.same([one.asked.length, two.asked.length], [5, 5])
})

await t.test('what changes something and has no key is sent to nobody else when its answer is lost', async t => {
  const first = await controller(t, [lost])
  const second = await controller(t, [done])
  const api = async () => await connect({ urls: [first.url, second.url] })
  const closed = { exitCode: 3, message: `${first.url} has closed the connection: does it want https?` }
  await t.rejects((await api()).POST('/v1/tokens', { body }), closed)
  await t.rejects((await api()).DELETE('/v1/tokens/{id}', { params: { path: { id: 'a' } } }), closed)
  t.same(second.asked, [])
  await (await api()).GET('/v1/nodes')
  await submit(await api(), 'restart', { nodes: ['a'] }, { signal, key: 'once' })
  t.same(second.asked, [nodes, 'POST /v1/requests/restart {"nodes":["a"]}'])
  t.equal(second.headers[1]!['idempotency-key'], 'once')
  t.same(first.asked.slice(2), second.asked)
})

await t.test('an answer is an answer, also when another one could say something else', async t => {
  const second = await controller(t, [done])
  for (const [status, code] of [
    [404, 'not_found'],
    [403, 'forbidden'],
    [429, 'too_many_requests'],
    [503, 'unavailable']
  ] as const) {
    const first = await controller(t, [problem(status, code)])
    await t.rejects((await connect({ urls: [first.url, second.url] })).GET('/v1/nodes'), { code })
  }
  const strict = await controller(t, [problem(401, 'unauthorized')])
  await t.rejects((await connect({ urls: [strict.url, second.url] })).GET('/v1/nodes'), {
    message: `${strict.url} asks for a token: zeek-cluster login ${strict.url},${second.url}`
  })
  t.same(second.asked, [])
})

await t.test('all that were tried are told when all have failed', async t => {
  const [one, two] = [await nowhere(), await nowhere()]
  const closing = await controller(t, [lost])
  await t.rejects((await connect({ urls: [one, two] })).POST('/v1/tokens', { body }), {
    exitCode: 3,
    code: 'ECONNREFUSED',
    message: new RegExp(`^no controller listens at ${one}: .*; no controller listens at ${two}: [^;]*$`)
  })
  await t.rejects((await connect({ urls: [one, closing.url] })).GET('/v1/nodes'), {
    exitCode: 3,
    message: new RegExp(`^no controller listens at ${one}: .*; ${closing.url} has closed the connection`)
  })
  t.same(closing.asked, [nodes], 'one that has never answered is asked once')
})

await t.test('a question that was given up without an answer has the next one asked from then on', async t => {
  const giving = new AbortController()
  const first = await controller(t, [() => giving.abort(new Error('enough'))])
  const second = await controller(t, [done])
  const api = await connect({ urls: [first.url, second.url] })
  await t.rejects(api.GET('/v1/nodes', { signal: giving.signal }), { message: 'enough' })
  await api.GET('/v1/nodes')
  t.same([first.asked, second.asked], [[nodes], [nodes]])
})

await t.test('with certificates it is the same; one that is not right is told, and nothing sent', async t => {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const serving = async (name: string, more = {}) => {
    const { cert, key } = authority.issue('controller', name, more)
    return await controller(t, [done], { cert: readFileSync(cert), key: readFileSync(key) })
  }
  const good = await serving('good')
  const expired = await serving('expired', { days: -1 })
  const ca = readFileSync(authority.ca, 'utf8')
  const refused = (await nowhere()).replace('http', 'https')
  const api = await connect({ urls: [refused, good.url], ca, token: 'secret' })
  await api.POST('/v1/bundles', { body: new Blob(['tar']) as never, bodySerializer: blob => blob })
  t.same(good.asked, ['POST /v1/bundles tar'])
  t.match(good.headers[0], { authorization: 'Bearer secret', 'content-length': '3' })
  await t.rejects((await connect({ urls: [expired.url, good.url], ca, token: 'secret' })).GET('/v1/nodes'), {
    code: 'CERT_HAS_EXPIRED'
  })
  t.same([expired.asked.length, good.asked.length], [0, 1])
})

await t.test('an agent of the same authority is not taken for the controller', async t => {
  const authority = createAuthority(directoryOf(t))
  const { cert, key } = authority.issue('agent', 'localhost')
  const it = await controller(t, [done], { cert: readFileSync(cert), key: readFileSync(key) })
  const ca = readFileSync(authority.ca, 'utf8')
  for (const known of [{ ca }, { tls: { ca, allowPartialTrustChain: true } }]) {
    const api = await connect({ urls: [it.url], token: 'secret', ...known })
    await t.rejects(api.GET('/v1/nodes'), { message: /the certificate is of agent localhost, not of a controller/ })
  }
  t.same(it.asked, [])
})
