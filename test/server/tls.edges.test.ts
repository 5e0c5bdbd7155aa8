import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { Agent, request, type RequestOptions } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect, type ConnectionOptions } from 'node:tls'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { agentPath } from '../../schemas/agent.js'
import { createAuthority, openssl, requestCertificate, selfSign, type Issued } from '../support/certificates.js'
import { startTestAgent } from '../support/agent.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { openClient } from '../support/zeek-websocket.js'

const read = ({ cert, key }: Issued) => ({ cert: readFileSync(cert), key: readFileSync(key) })

/** A controller that takes certificates, with a clock that can be moved, and what it logs. */
async function start(t: Test, flags: Record<string, string> = {}) {
  const directory = directoryOf(t)
  const clock = { ahead: 0 }
  const lines: string[] = []
  const authority = createAuthority(directory)
  const own = authority.issue('controller', 'controller')
  const controller = await startTestController(
    t,
    {
      'management-state-dir': directory,
      'controller-authentication': 'token',
      'controller-tls-cert': own.cert,
      'controller-tls-key': own.key,
      'controller-tls-ca': authority.ca,
      ...flags
    },
    {
      now: () => Date.now() + clock.ahead,
      log: pino(
        { level: 'debug' },
        {
          write: (line: string) => {
            lines.push(line)
          }
        }
      )
    }
  )
  const ca = readFileSync(authority.ca)
  const status = async (path: string, options: RequestOptions = {}) => {
    const [response] = (await once(
      request(`${controller.url}${path}`, { ca, agent: false, ...options }).end(),
      'response'
    )) as [IncomingMessage]
    return { status: response.statusCode, body: await text(response) }
  }
  /** A certificate of the authority with days or extensions of its own. */
  const issue = (subject: string, args: string[], extensions = '') => {
    const path = (ending: string) => join(directory, `odd-${subject.replace(/\W+/g, '')}.${ending}`)
    requestCertificate(subject, { key: path('key'), request: path('csr') })
    writeFileSync(path('ext'), extensions)
    openssl(
      'x509',
      '-req',
      '-in',
      path('csr'),
      '-CA',
      authority.ca,
      '-CAkey',
      join(directory, 'ca.key'),
      '-CAcreateserial',
      '-extfile',
      path('ext'),
      '-out',
      path('pem'),
      ...args
    )
    return read({ cert: path('pem'), key: path('key') })
  }
  const ports = [controller.settings.controller_websocket_port, controller.settings.controller_port]
  return { ...controller, directory, clock, lines, authority, own, ca, status, issue, ports }
}

await t.test('a certificate that is not good is none', async t => {
  const { status, issue, directory } = await start(t)
  const self = { cert: join(directory, 'self.pem'), key: join(directory, 'self.key') }
  selfSign('/O=admin/CN=self', self)
  for (const [what, certificate] of Object.entries({
    expired: issue('/O=admin/CN=expired', ['-days', '-1']),
    'self-signed': read(self),
    'for servers only': issue('/O=admin/CN=server', ['-days', '1'], 'extendedKeyUsage=serverAuth\n'),
    'of nobody': issue('/O=admin', ['-days', '1']),
    'of two': issue('/O=admin/CN=one/CN=two', ['-days', '1'])
  })) {
    t.match(JSON.parse((await status('/v1/nodes', certificate)).body), { status: 401 }, what)
  }
  for (const [what, certificate] of Object.entries({
    'of no role': issue('/CN=norole', ['-days', '1']),
    'of two roles': issue('/O=viewer/O=admin/CN=roles', ['-days', '1']),
    'of a role in capitals': issue('/O=ADMIN/CN=capitals', ['-days', '1']),
    'of a controller': issue('/O=controller/CN=other', ['-days', '1']),
    'of what is on every object': issue('/O=__proto__/CN=proto', ['-days', '1'])
  })) {
    t.match(JSON.parse((await status('/v1/nodes', certificate)).body), { status: 403, detail: /of no role/ }, what)
  }
  t.equal(
    (await status('/v1/nodes', issue('/O=viewer/CN=client', ['-days', '1'], 'extendedKeyUsage=clientAuth\n'))).status,
    200
  )
})

await t.test('a certificate that is not good yet is none', async t => {
  const { status, authority, directory } = await start(t)
  const { key } = authority.issue('admin', 'early')
  const [csr, cert] = [join(directory, 'early.csr'), join(directory, 'early-not-yet.pem')]
  openssl('req', '-new', '-key', key, '-subj', '/O=admin/CN=early', '-out', csr)
  writeFileSync(join(directory, 'index'), '')
  writeFileSync(
    join(directory, 'ca.cnf'),
    `[ca]\ndefault_ca=it\n[it]\ndatabase=${join(directory, 'index')}\nnew_certs_dir=${directory}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n[any]\norganizationName=optional\ncommonName=supplied\n`
  )
  openssl(
    'ca',
    '-batch',
    '-config',
    join(directory, 'ca.cnf'),
    '-cert',
    authority.ca,
    '-keyfile',
    join(directory, 'ca.key'),
    '-in',
    csr,
    '-out',
    cert,
    '-startdate',
    '20990101000000Z',
    '-enddate',
    '21000101000000Z',
    '-notext'
  )
  t.match(JSON.parse((await status('/v1/nodes', read({ cert, key }))).body), { status: 401 })
})

await t.test('a token is asked for rather than a certificate, and a bad one is not made good by it', async t => {
  const { status, authority } = await start(t)
  t.equal(
    (await status('/v1/nodes', { ...read(authority.issue('admin', 'me')), headers: { authorization: 'Bearer x' } }))
      .status,
    401
  )
})

await t.test("what a certificate has opened ends when it expires, and so does the connection's use", async t => {
  const { settings, authority, ca, clock, status, controller } = await start(t)
  const certificate = read(authority.issue('viewer', 'dash'))
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca, ...certificate })
  t.teardown(() => agent.destroy())
  const kept = async () => {
    const it = request(`https://127.0.0.1:${settings.controller_websocket_port}/v1/nodes`, { agent }).end()
    const [response] = (await once(it, 'response')) as [IncomingMessage]
    await text(response)
    return [response.statusCode, it.reusedSocket]
  }
  t.same(await kept(), [200, false])
  const stream = request(`https://127.0.0.1:${settings.controller_websocket_port}/v1/events`, {
    ca,
    agent: false,
    ...certificate
  }).end()
  const [response] = (await once(stream, 'response')) as [IncomingMessage]
  stream.on('error', () => {})
  const client = await openClient(t, settings.controller_websocket_port, undefined, { ca, ...certificate })
  const its = authority.issue('agent', 'agent-1')
  const running = await startTestAgent(
    t,
    'agent-1',
    settings.controller_port,
    { 'agent-tls-ca': authority.ca, 'agent-tls-cert': its.cert, 'agent-tls-key': its.key },
    join(settings.management_state_dir, 'agent-1')
  )
  const connected = () => controller.instances().some(({ connected }) => connected)
  await until(connected, 'the agent is connected')
  clock.ahead = 25 * 3_600_000
  await Promise.all([text(response).catch(() => {}), client.closed, until(() => !connected(), 'the agent is lost')])
  t.same(await kept(), [401, true], 'on the connection that was open')
  t.match(JSON.parse((await status('/v1/nodes', certificate)).body), {
    status: 401,
    detail: 'the certificate has expired'
  })
  const again = new WebSocket(`wss://127.0.0.1:${settings.controller_port}${agentPath}`, { ca, ...read(its) })
  t.match((await once(again, 'error'))[0].message, /401/)
  await running.close()
})

await t.test('nothing older than TLS 1.2 is spoken', async t => {
  const { ports, ca } = await start(t)
  for (const port of ports) {
    const speak = async (options: ConnectionOptions) => {
      const socket = connect({ port, host: '127.0.0.1', ca, ...options })
      return await new Promise(resolve => {
        socket.once('secureConnect', () => resolve(socket.getProtocol()))
        socket.on('error', error => resolve((error as NodeJS.ErrnoException).code))
      }).finally(() => socket.destroy())
    }
    t.equal(await speak({}), 'TLSv1.3')
    t.equal(await speak({ maxVersion: 'TLSv1.2' }), 'TLSv1.2')
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      t.match(await speak({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }), /^E/, version)
    }
  }
})

await t.test('who speaks no TLS, or breaks off, harms nobody and fills no log', async t => {
  const { ports, lines, status, url } = await start(t)
  const before = lines.length
  const hello = Buffer.from('16030100c8010000c40303', 'hex')
  for (const port of ports) {
    for (const bytes of [
      '',
      'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
      '\0'.repeat(100),
      Buffer.alloc(70_000, 0xff),
      hello,
      Buffer.concat([hello, Buffer.alloc(300, 1)]),
      'SSH-2.0-x\r\n'
    ]) {
      for (const end of ['resetAndDestroy', 'destroy', 'end'] as const) {
        const socket = connectPlain({ port, host: '127.0.0.1' }).on('error', () => {})
        const closed = new Promise(resolve => socket.on('close', resolve))
        await once(socket, 'connect')
        socket.write(bytes)
        t.equal((await status('/healthz')).status, 200)
        socket[end]()
        socket.resume()
        await closed
      }
    }
    const tls = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }).on('error', () => {})
    await once(tls, 'secureConnect')
    tls.write('\0not HTTP\r\n\r\n')
    tls.resume()
    await new Promise(resolve => tls.on('close', resolve))
  }
  t.equal((await status('/healthz')).status, 200)
  t.same(lines.slice(before), [], url)
})

await t.test('who would rather speak HTTP/2 is answered in HTTP/1.1, and as who it is', async t => {
  const { settings, ca, authority } = await start(t)
  const ask = async (certificate: ConnectionOptions, alpn?: string[]) => {
    const socket = connect({
      port: settings.controller_websocket_port,
      host: '127.0.0.1',
      ca,
      ...certificate,
      ...(alpn ? { ALPNProtocols: alpn } : {})
    })
    await once(socket, 'secureConnect')
    socket.write(
      'GET /v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n'
    )
    return await text(socket)
  }
  t.match(await ask({}), /^HTTP\/1.1 401 /)
  const viewer = read(authority.issue('viewer', 'dash'))
  t.match(await ask(viewer), /^HTTP\/1.1 200 .*"name":"dash"/s)
  t.match(await ask(viewer, ['h2', 'http/1.1']), /^HTTP\/1.1 200 .*"name":"dash"/s)
})
