import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connectReplication, createReplicationLog, type ReplicationOptions } from '../../src/replication/jetstream.js'
import { createAuthority } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'
import { silent } from '../support/log.js'
import { createAccount } from '../support/nats-accounts.js'
import { noNats, startNats, type Nats } from '../support/nats.js'
import { bytes, makeLog, never, openStranger, readAll, textOf } from '../support/replicas.js'

const refused = (message: string | RegExp, code = 'invalid_request') => ({
  code,
  message: typeof message === 'string' ? `controller_nats: ${message}` : message
})

await t.test('how servers of NATS are reached, and which are good enough', { skip: noNats }, async t => {
  const nats = await startNats(t)
  const connect = (options: Partial<ReplicationOptions>) =>
    connectReplication({ name: 'none', self: 'a', servers: nats.urls, log: silent, copies: 1, ...options })

  await t.test('what cannot be made is not left in part', async t => {
    const { manager } = await openStranger(t, nats)
    const options = { servers: nats.urls, name: 'half', log: silent }
    await t.rejects(
      createReplicationLog(options, { replicas: ['a'] }),
      refused(/^controller_nats: cannot make the log: /, 'unavailable')
    )
    // The third of them has no room.
    await manager.streams.add({ name: 'room', subjects: ['$O.zeek-half-files.C.>'] })
    await t.rejects(
      createReplicationLog(options, { replicas: ['a'], servers: 1 }),
      refused(/^controller_nats: cannot make the log: subjects overlap/, 'unavailable')
    )
    const names = await manager.streams.names().next()
    t.same(
      names.filter(name => name.includes('half')),
      []
    )
  })

  await t.test('a user and a password in a URL', async t => {
    const { urls } = await startNats(t, {
      extra: 'accounts { Z { jetstream: enabled, users: [ { user: "zeek", password: "a/b" } ] } }'
    })
    const options = (user: string) => ({
      servers: urls.map(url => url.replace('://', `://${user}@`)),
      name: 'log',
      log: silent
    })
    const contents = { replicas: ['a'], servers: 1 }
    await t.rejects(
      createReplicationLog(options('zeek:wrong'), contents),
      refused(/^controller_nats: the servers refuse/)
    )
    t.type(await createReplicationLog(options('zeek:a%2Fb'), contents), 'string')
  })

  await t.test('a server that is too old, that is none, that is not there', async t => {
    const old = await fakeServer(t, '2.12.2')
    await t.rejects(
      connect({ servers: [old] }),
      refused('the server old has version 2.12.2: 2.12.3 at least is needed', 'conflict')
    )
    const older = await fakeServer(t, '2.9.10')
    await t.rejects(connect({ servers: [older] }), refused(/2\.9\.10/, 'conflict'))
    const newer = await fakeServer(t, '3.0.0-preview')
    await t.rejects(
      connect({ servers: [newer] }),
      refused(/^controller_nats: JetStream does not answer/, 'unavailable')
    )
    await t.rejects(
      connect({ servers: ['nats://user:secret@127.0.0.1:1'] }),
      refused('cannot connect to 127.0.0.1:1: connection refused', 'unavailable')
    )
    await t.rejects(connect({ servers: ['tls://127.0.0.1:1', ...nats.urls] }), { code: 'unavailable' })
  })

  await testSyncs(t, nats)

  await t.test('credentials', async t => {
    const account = createAccount()
    const secured = await startNats(t, { extra: account.config })
    const credentialsFile = join(directoryOf(t), 'replica.creds')
    const options = { servers: secured.urls, name: 'main', self: 'a', log: silent, copies: 1 }
    await t.rejects(connectReplication(options), refused('the servers refuse: Authorization Violation'))
    await t.rejects(connectReplication({ ...options, credentialsFile }), refused(/ENOENT.*replica.creds/))
    writeFileSync(credentialsFile, account.credentials({ isForeign: true }))
    await t.rejects(connectReplication({ ...options, credentialsFile }), refused(/the servers refuse/))
    writeFileSync(credentialsFile, account.credentials())
    await createReplicationLog({ ...options, credentialsFile }, { replicas: ['a'], servers: 1 })
    const { log, close } = await connectReplication({ ...options, credentialsFile })
    t.teardown(close)
    await log.append(bytes('one'), 0, never)
    t.same((await readAll(log)).map(textOf), ['one'])
  })

  await t.test('TLS, with certificates on both sides', async t => {
    const directory = directoryOf(t)
    const [authority, other] = [createAuthority(directory), createAuthority(directory, 'other')]
    const [server, client] = [authority.issue('nats', 'n1'), authority.issue('replica', 'a')]
    const files = `cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${authority.ca}"`
    const secured = await startNats(t, { extra: `tls { ${files}, verify: true }` })
    const servers = secured.urls.map(url => url.replace('nats:', 'tls:'))
    const tls = { ca: authority.ca, ...client }
    const options = { servers, name: 'main', self: 'a', log: silent, copies: 1 }
    await createReplicationLog({ ...options, tls }, { replicas: ['a'], servers: 1 })
    const { log, close } = await connectReplication({ ...options, tls })
    t.teardown(close)
    t.equal((await log.extent()).last, 0)
    await t.rejects(connectReplication({ ...options, tls: { ...tls, ca: other.ca } }), { code: 'unavailable' })
    await t.rejects(connectReplication({ ...options, tls: { ca: authority.ca } }), { code: 'unavailable' })
    await t.rejects(connectReplication({ ...options, tls: { ca: join(directory, 'none') } }), refused(/ENOENT/))
    await t.rejects(connectReplication({ ...options, servers: nats.urls, tls }), { code: 'unavailable' })
  })
})

async function testSyncs(t: Test, nats: Nats) {
  await t.test('servers that acknowledge what is not on their disks', async t => {
    const warnings: string[] = []
    const warn = (text: string) => warnings.push(text)
    const { open } = await makeLog(t, nats)
    await open('a', { warn })
    t.same(warnings, [])
    await open('a', { warn, monitors: [] })
    const text = 'whether the servers of NATS have "sync_interval: always" is not known: '
    t.same(warnings.splice(0), [`${text}no monitors of theirs are set`])
    const monitors = ['http://127.0.0.1:1', ...nats.monitors, 'nonsense']
    await open('a', { warn, monitors })
    t.same(warnings.splice(0), [`${text}http://127.0.0.1:1, nonsense did not tell`])
    const lazy = await startNats(t, { syncInterval: '10s' })
    const [monitor] = lazy.monitors
    await t.rejects(
      open('a', { monitors: [...nats.monitors, monitor!] }),
      refused(`the server at ${monitor} acknowledges what is not on its disk: set "sync_interval: always"`, 'conflict')
    )
  })
}

/** Starts what says that it is a server of some version, and says nothing else. Returns its URL. */
async function fakeServer(t: Test, version: string): Promise<string> {
  const server = createServer(socket => {
    const info = { server_id: randomUUID(), server_name: 'old', version, max_payload: 1 << 20, proto: 1, headers: true }
    socket.on('error', () => {})
    socket.on('data', data => {
      if (/^PING/m.test(data.toString())) socket.write('PONG\r\n')
    })
    socket.write(`INFO ${JSON.stringify(info)}\r\n`)
    t.teardown(() => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `nats://127.0.0.1:${(server.address() as AddressInfo).port}`
}
