import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { connect } from '../../src/client/connection.js'
import { Failure } from '../../src/client/failure.js'
import { failureOfNetwork, isUndone } from '../../src/client/remedies.js'
import type { Target } from '../../src/client/target.js'
import { createAuthority, type Issued } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'
import { freePorts } from '../support/ports.js'

/** A server on a port of its own; returns its host and port. */
async function serving(t: Test, listener: RequestListener, tls?: ServerOptions): Promise<string> {
  const server = tls ? createHttpsServer(tls, listener) : createHttpServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Why the nodes of a controller cannot be listed: `3 no controller listens at …`. */
async function refusal(target: Target): Promise<string> {
  try {
    await (await connect(target)).GET('/v1/nodes')
    return 'nothing was thrown'
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return `${error.exitCode} ${error.message.replaceAll(target.urls[0]!, 'URL')}`
  }
}

const answering =
  (status: number, type: string | undefined, body: string): RequestListener =>
  (_request, response) =>
    response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end(body)
const problem = (status: number, body: object) =>
  answering(status, 'application/problem+json', JSON.stringify({ status, title: '', ...body }))

await t.test('what a proxy answers with is not taken for an answer of a controller', async t => {
  const cases: [RequestListener, string][] = [
    [
      answering(200, 'text/html', '<h1>log in</h1>'),
      '3 URL is no controller, or one behind a proxy: it answers 200, text/html'
    ],
    [
      answering(502, 'text/html', '<h1>bad</h1>'),
      '3 URL is no controller, or one behind a proxy: it answers 502, text/html'
    ],
    [
      answering(502, 'application/json', '{"error":1}'),
      '3 URL is no controller, or one behind a proxy: it answers 502, application/json'
    ],
    [answering(404, undefined, ''), '3 URL is no controller, or one behind a proxy: it answers 404'],
    [
      answering(403, 'application/problem+json', 'null'),
      '3 URL is no controller, or one behind a proxy: it answers 403, application/problem+json'
    ],
    [
      answering(500, 'application/problem+json', '{"code":1}'),
      '3 URL is no controller, or one behind a proxy: it answers 500, application/problem+json'
    ]
  ]
  for (const [listener, expected] of cases) {
    t.equal(await refusal({ urls: [`http://${await serving(t, listener)}`] }), expected)
  }
})

await t.test('a problem is told with what to do, and where a body is wrong', async t => {
  const unauthorized = `http://${await serving(t, problem(401, { code: 'unauthorized', detail: 'who are you?' }))}`
  t.equal(await refusal({ urls: [unauthorized] }), '3 URL asks for a token: zeek-cluster login URL')
  t.equal(await refusal({ urls: [unauthorized], token: 'x' }), '3 URL does not take this token: zeek-cluster login URL')
  const errors = [
    { field: 'body/config/nodes/0/role', message: 'must be one of MANAGER' },
    { field: 'body/config/nodes/1', message: 'must have a name' }
  ]
  const cases: [RequestListener, string][] = [
    [problem(403, { code: 'forbidden', detail: 'this takes the role operator' }), '3 this takes the role operator'],
    [problem(429, { code: 'too_many_requests', detail: 'wait' }), '3 wait'],
    [problem(503, { code: 'unavailable', detail: 'the store is full' }), '3 the store is full'],
    [problem(404, { code: 'not_found', detail: 'there is none' }), '1 there is none'],
    [problem(409, { code: 'conflict', detail: 'too many tokens' }), '2 too many tokens'],
    [problem(400, { code: 'invalid_request', detail: 'one is wrong', errors: errors.slice(1) }), '2 one is wrong'],
    [problem(418, { code: 'teapot', detail: 'of a newer controller', extra: 1 }), '2 of a newer controller'],
    [
      problem(400, { code: 'invalid_request', detail: 'two are wrong', errors }),
      '2 what was sent is refused:\n  body/config/nodes/0/role: must be one of MANAGER\n  body/config/nodes/1: must have a name'
    ]
  ]
  for (const [listener, expected] of cases) {
    t.equal(await refusal({ urls: [`http://${await serving(t, listener)}`] }), expected)
  }
})

await t.test('who is not there is told with what to do', async t => {
  const [port] = await freePorts(1)
  t.equal(
    await refusal({ urls: [`http://127.0.0.1:${port}`] }),
    '3 no controller listens at URL: start one (zeek-cluster start), or name another (--url, or zeek-cluster login URL)'
  )
  const of = (code: string, url = 'https://zeek.example:2149') =>
    failureOfNetwork(new TypeError('fetch failed', { cause: Object.assign(new Error('why'), { code }) }), url).message
  t.equal(of('ENOTFOUND'), 'there is no host zeek.example')
  t.equal(
    of('UND_ERR_CONNECT_TIMEOUT'),
    'zeek.example:2149 is not reached: is it up, and does its firewall let this pass?'
  )
  t.match(of('CERT_NOT_YET_VALID'), /not valid yet: are the clocks/)
  t.equal(of('E2BIG'), 'https://zeek.example:2149 could not be asked: why')
  t.equal(failureOfNetwork('nonsense', 'http://a').message, 'http://a could not be asked: undefined')
  const aggregate = new TypeError('fetch failed', {
    cause: new AggregateError([Object.assign(new Error('v6'), { code: 'ECONNREFUSED' })])
  })
  t.match(failureOfNetwork(aggregate, 'http://a').message, /^no controller listens/)
})

await t.test('nothing was sent where there was no connection, and only there', async t => {
  const failed = (cause: object) => failureOfNetwork(new TypeError('fetch failed', { cause }), 'http://a')
  const error = (code: string, syscall?: string) => Object.assign(new Error('why'), { code, syscall })
  const several = (...errors: Error[]) => Object.assign(new AggregateError(errors), { code: 'ETIMEDOUT' })
  for (const cause of [
    error('ECONNREFUSED', 'connect'),
    error('ETIMEDOUT', 'connect'),
    error('EHOSTUNREACH', 'connect'),
    error('ENOTFOUND', 'getaddrinfo'),
    error('EAI_AGAIN', 'getaddrinfo'),
    error('UND_ERR_CONNECT_TIMEOUT'),
    several(error('ETIMEDOUT', 'connect'), error('ECONNREFUSED', 'connect'))
  ]) {
    t.ok(isUndone(failed(cause)), cause.code)
  }
  for (const cause of [
    error('ECONNRESET', 'read'),
    error('ETIMEDOUT', 'read'),
    error('EHOSTUNREACH', 'read'),
    error('EPIPE', 'write'),
    error('UND_ERR_SOCKET'),
    error('UND_ERR_HEADERS_TIMEOUT'),
    new Error('bad port')
  ]) {
    t.notOk(isUndone(failed(cause)), cause.message)
  }
})

await t.test('what is wrong with certificates is told with what to do', async t => {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const ca = readFileSync(authority.ca, 'utf8')
  const read = ({ cert, key }: Issued) => ({ cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') })
  const ours = read(authority.issue('controller', 'controller'))
  const ok = answering(200, 'application/json', '{"nodes":[]}')
  const good = await serving(t, ok, ours)
  const expired = await serving(t, ok, read(authority.issue('controller', 'old', { days: -1 })))
  const other = await serving(t, ok, read(authority.issue('controller', 'other', { names: 'DNS:other.example' })))
  const strict = await serving(t, ok, { ...ours, ca, requestCert: true, rejectUnauthorized: true })
  const plain = await serving(t, ok)

  t.equal(await refusal({ urls: [`https://${good}`], ca }), 'nothing was thrown')
  t.equal(
    await refusal({ urls: [`https://${strict}`], ca, ...read(authority.issue('viewer', 'me')) }),
    'nothing was thrown'
  )
  t.equal(
    await refusal({ urls: [`https://${good}`] }),
    "3 the certificate of URL is from an authority that is not known here: name the authority's with --ca FILE"
  )
  const stranger = createAuthority(directory, 'stranger')
  t.match(await refusal({ urls: [`https://${good}`], ca: readFileSync(stranger.ca, 'utf8') }), /--ca FILE$/)
  t.equal(
    await refusal({ urls: [`https://${expired}`], ca }),
    "3 the certificate of URL has expired: renew it on the controller's host"
  )
  t.equal(
    await refusal({ urls: [`https://${other}`], ca }),
    '3 the certificate of URL is for another name than 127.0.0.1'
  )
  t.match(await refusal({ urls: [`https://${plain}`], ca }), /^3 URL speaks no TLS: try http:/)
  t.match(await refusal({ urls: [`http://${good}`] }), /^3 URL has closed the connection: does it want https\?$/)
  t.match(await refusal({ urls: [`https://${strict}`], ca }), /^3 URL .* certificate of yours \(--cert, --key\)$/)
})

await t.test('files that are no certificates are told', async t => {
  const url = `https://127.0.0.1:${(await freePorts(1))[0]}`
  const directory = directoryOf(t)
  const [one, other] = ['one', 'other'].map(name => createAuthority(directory, name).issue('viewer', name)) as [
    Issued,
    Issued
  ]
  const read = (file: string) => readFileSync(file, 'utf8')
  const expected = '3 the files of --cert and --key are no certificate and its key, as PEM'
  t.equal(await refusal({ urls: [url], cert: 'nonsense', key: 'nonsense' }), expected)
  t.equal(await refusal({ urls: [url], cert: read(one.cert), key: read(other.key) }), expected)
})
