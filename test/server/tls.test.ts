import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { request, type RequestOptions } from 'node:https'
import { text } from 'node:stream/consumers'
import type { IncomingMessage } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { agentPath } from '../../schemas/agent.js'
import { dial, listen } from '../../src/link/websocket.js'
import { Certificates } from '../../src/security/certificates.js'
import { createAuthority, type Issued } from '../support/certificates.js'
import { startTestAgent } from '../support/agent.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { openClient, requestFrame } from '../support/zeek-websocket.js'

const read = ({ cert, key }: Issued) => ({ cert: readFileSync(cert), key: readFileSync(key) })
const flagsOf = (side: string, { cert, key }: Issued, ca: string) => ({
  [`${side}-tls-cert`]: cert,
  [`${side}-tls-key`]: key,
  [`${side}-tls-ca`]: ca
})

/** A controller that speaks TLS and takes certificates, and a way to ask it. */
async function start(t: Test, flags: Record<string, string> = {}) {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const own = authority.issue('controller', 'controller')
  const controller = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    ...flagsOf('controller', own, authority.ca),
    ...flags
  })
  const ca = readFileSync(authority.ca)
  const ask = async (path: string, options: RequestOptions = {}) => {
    const [response] = (await once(
      request(`${controller.url}${path}`, { ca, agent: false, ...options }).end(),
      'response'
    )) as [IncomingMessage]
    const serial = (response.socket as TLSSocket).getPeerCertificate().serialNumber
    return { status: response.statusCode, body: await text(response), serial }
  }
  const connected = () =>
    controller.controller
      .instances()
      .filter(({ connected }) => connected)
      .map(({ name }) => name)
  return { ...controller, directory, authority, own, ca, ask, connected }
}

await t.test('clients come over TLS, as what their certificate says', async t => {
  const { url, authority, directory, ask, settings, ca } = await start(t)
  t.match(url, /^https:/)
  t.equal((await ask('/healthz')).status, 200)
  await t.rejects(fetch(url.replace('https:', 'http:')), 'without TLS there is nothing')
  t.match(JSON.parse((await ask('/v1/nodes')).body), { status: 401 })
  const viewer = read(authority.issue('viewer', 'dash'))
  t.same(JSON.parse((await ask('/v1/session', viewer)).body), {
    name: 'dash',
    role: 'viewer',
    expires_at: JSON.parse((await ask('/v1/session', viewer)).body).expires_at
  })
  t.equal((await ask('/v1/nodes', viewer)).status, 200)
  t.equal((await ask('/v1/requests/deploy', { method: 'POST', ...viewer })).status, 403)
  t.equal((await ask('/v1/nodes', read(authority.issue('agent', 'agent-1')))).status, 403)
  t.match(JSON.parse((await ask('/v1/nodes', read(authority.issue('boss', 'me')))).body), {
    status: 403,
    detail: /of no role/
  })
  t.equal((await ask('/v1/nodes', read(createAuthority(directory, 'other').issue('admin', 'mallory')))).status, 401)
  const client = await openClient(t, settings.controller_websocket_port, undefined, { ca, ...viewer })
  client.send(requestFrame('get_instances', 'a'))
  t.match(await client.event(), ['get_instances_response', 'a', ['a', true]])
})

await t.test('a certificate is limited to the labels that its units are, and none is passed over', async t => {
  const { authority, ask } = await start(t)
  const as = async (role: string, units: string[], path = '/v1/session') => {
    const { status, body } = await ask(path, read(authority.issue(role, 'berlin', { units })))
    return { status, ...JSON.parse(body) }
  }
  t.match(await as('operator', ['site=berlin', 'tap=a=b', 'site=berlin']), {
    role: 'operator',
    labels: { site: 'berlin', tap: 'a=b' }
  })
  t.match(await as('operator', ['site=berlin'], '/v1/revisions'), {
    status: 403,
    detail: 'berlin is limited to instances with site=berlin: this is of the whole cluster'
  })
  t.notOk((await as('operator', [])).labels)
  const again = async (units: string[]) => {
    const certificate = read(authority.issue('viewer', 'noc', { units }))
    const options = { method: 'POST', headers: { 'idempotency-key': 'k' }, ...certificate }
    return JSON.parse((await ask('/v1/requests/get_nodes', options)).body)
  }
  const [whole, one, same] = [await again([]), await again(['site=berlin']), await again(['site=berlin'])]
  t.match(one, { limited_to: { site: 'berlin' } })
  t.not(one.reqid, whole.reqid, 'what was asked with other labels is not repeated')
  t.equal(one.reqid, same.reqid)
  for (const [role, ...units] of [
    ['viewer', 'Network Operations'],
    ['viewer', 'site=berlin', 'Network Operations'],
    ['viewer', 'site=berlin', 'site=paris'],
    ['viewer', 'site='],
    ['viewer', '-=x'],
    ['admin', 'site=berlin']
  ] as const) {
    t.match(await as(role, units), { status: 403, code: 'forbidden', detail: /berlin.*OU/ }, `${role} ${units.join()}`)
  }
})

await t.test('a resumed TLS session is of the same bearer', async t => {
  const { authority, ca, settings } = await start(t)
  const options = {
    host: '127.0.0.1',
    port: settings.controller_websocket_port,
    ca,
    ...read(authority.issue('viewer', 'dash'))
  }
  const answer = async (session?: Buffer) => {
    const socket = connect({ ...options, ...(session ? { session } : {}) })
    const got = once(socket, 'session')
    await once(socket, 'secureConnect')
    socket.write('GET /v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
    const reused = socket.isSessionReused()
    return { reused, text: await text(socket), session: await Promise.race([got, Promise.resolve([])]) }
  }
  const first = await answer()
  const second = await answer(first.session[0])
  t.match(second.text, /^HTTP\/1.1 200/, `resumed: ${second.reused}`)
})

await t.test('other certificates are served after a reload, and bad ones are not', async t => {
  const { authority, own, ask, reload } = await start(t)
  const serial = async () => (await ask('/healthz')).serial
  const before = await serial()
  const next = authority.issue('controller', 'controller')
  for (const part of ['cert', 'key'] as const) writeFileSync(own[part], readFileSync(next[part]))
  reload()
  const after = await serial()
  t.not(after, before)
  writeFileSync(own.key, readFileSync(authority.issue('controller', 'controller').key))
  t.throws(() => reload(), { code: 'invalid_request', message: /ZEEK_CONTROLLER_TLS_CERT/ })
  writeFileSync(own.cert, 'nonsense')
  t.throws(() => reload(), { code: 'invalid_request', message: new RegExp(`ZEEK_CONTROLLER_TLS_CERT: ${own.cert}`) })
  t.equal(await serial(), after)
})

await t.test('an agent is who its certificate says, and checks its controller', async t => {
  const { authority, directory, settings, connected } = await start(t)
  const agent = (name: string, issued: Issued, ca = authority.ca) =>
    startTestAgent(
      t,
      name,
      settings.controller_port,
      flagsOf('agent', issued, ca),
      `${directory}/${name}-${Math.random()}`
    )
  const fooled = await agent('agent-1', authority.issue('agent', 'agent-1'), createAuthority(directory, 'other').ca)
  const impostor = await agent('agent-2', authority.issue('agent', 'agent-1'))
  await agent('agent-3', authority.issue('agent', 'agent-3'))
  await until(() => connected().includes('agent-3'), 'the right one is connected')
  t.same(connected(), ['agent-3'])
  await Promise.all([fooled.close(), impostor.close()])
})

await t.test('an agent takes no other agent for its controller', async t => {
  const directory = directoryOf(t)
  const { ca, issue } = createAuthority(directory)
  const { cert, key } = issue('agent', 'localhost')
  const [port] = (await freePorts(1)) as [number]
  let links = 0
  const rogue = await listen({
    host: '127.0.0.1',
    port,
    path: agentPath,
    certificates: new Certificates('controller', { controller_tls_cert: cert, controller_tls_key: key }),
    admit: () => {},
    onTransport: () => links++
  })
  t.teardown(() => rogue.close())
  const { options: tls } = new Certificates('agent', { agent_tls_ca: ca })
  await t.rejects(
    dial(`wss://127.0.0.1:${port}${agentPath}`, new AbortController().signal, { tls }),
    /the certificate is of agent localhost, not of a controller/
  )
  t.equal(links, 0)
})

await t.test('an agent that is dialled lets in a controller only, and is the one that is meant', async t => {
  const { authority, directory, settings, connected, ca } = await start(t)
  const [port, other] = [settings.controller_port + 1, settings.controller_port + 2]
  const listening = (name: string, port: number, issued: Issued) =>
    startTestAgent(
      t,
      name,
      settings.controller_port,
      { 'agent-controller': 'none', 'agent-port': String(port), ...flagsOf('agent', issued, authority.ca) },
      `${directory}/${name}`
    )
  await listening('agent-1', port, authority.issue('agent', 'agent-1'))
  await listening('agent-2', other, authority.issue('agent', 'agent-3'))
  for (const tls of [{}, read(authority.issue('agent', 'agent-2')), read(authority.issue('admin', 'me'))]) {
    await t.rejects(
      dial(`wss://127.0.0.1:${port}${agentPath}`, new AbortController().signal, { tls: { ca, ...tls } }),
      /403/
    )
  }
  const config = {
    instances: [
      { name: 'agent-1', host: '127.0.0.1', listen_port: port },
      { name: 'agent-2', host: '127.0.0.1', listen_port: other }
    ],
    nodes: []
  }
  const operator = read(authority.issue('operator', 'ops'))
  for (const [type, body] of [
    ['stage_configuration', JSON.stringify({ config })],
    ['deploy', '{}']
  ] as const) {
    const post = request(`https://127.0.0.1:${settings.controller_websocket_port}/v1/requests/${type}`, {
      method: 'POST',
      ca,
      ...operator,
      headers: { prefer: 'wait=20', 'content-type': 'application/json' }
    })
    post.end(body)
    const [response] = (await once(post, 'response')) as [IncomingMessage]
    response.resume()
    t.equal(response.statusCode, 200)
  }
  await until(() => connected().includes('agent-1'), 'the first is connected')
  t.same(connected(), ['agent-1'])
})
