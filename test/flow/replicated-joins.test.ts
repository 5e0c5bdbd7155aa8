import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../../src/client/connection.js'
import { fingerprintOfCertificate } from '../../src/security/fingerprint.js'
import { createAuthority } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'
import { here, noNats, startNats } from '../support/nats.js'
import { until } from '../support/until.js'
import { program, says } from './joining.js'
import { Replicas } from './replicas.js'
import { Service } from './service.js'

await t.test('a host joins several controllers by any of them', { skip: noNats, timeout: 240_000 }, async (t: Test) => {
  const directory = directoryOf(t)
  const { ca } = createAuthority(directory)
  const [bootstrap, admin] = [join(directory, 'bootstrap'), randomBytes(32).toString('hex')]
  writeFileSync(bootstrap, admin)
  const replicas = await Replicas.create(t, await startNats(t), { c1: here, c2: here, c3: here }, () => ({
    'controller-authentication': 'token',
    'controller-authority-cert': ca,
    'controller-authority-key': ca.replace('.pem', '.key'),
    'controller-bootstrap-token-file': bootstrap
  }))
  replicas.start()
  const text = readFileSync(ca, 'utf8')
  const urls = replicas.names.map(name => replicas.urlOf(name))
  const api = await connect({ urls, token: admin, ca: text })
  const leader = async (besides?: string) =>
    await until(async () => {
      const { data } = await api.GET('/v1/replication').catch(() => ({ data: undefined }))
      const leading = data?.replicas.find(({ role }) => role === 'leader')?.name
      return leading !== besides && leading
    }, 'one leads')
  const first = await leader()
  const { data: made } = await api.POST('/v1/tokens', { body: { role: 'join' } })
  t.equal(made!.fingerprint, fingerprintOfCertificate(text))
  // Asked of one that does not lead, until another one does; each is known by the authority of all.
  const own = join(directory, 'sensor-1')
  const followers = replicas.names.filter(name => name !== first).map(name => replicas.urlOf(name))
  const joining = program(t, [
    ...['join', followers.join(','), '--token', made!.token, '--fingerprint', made!.fingerprint!],
    ...['--name', 'sensor-1', '--state-dir', own, '--controllers', replicas.agentAddresses.join(',')]
  ])
  await says(joining.written, /waiting until an operator accepts it/)
  await replicas.kill(first)
  t.not(await leader(first), first)
  const [one] = (await api.GET('/v1/joins')).data!.joins
  t.match(one, { name: 'sensor-1', status: 'pending', address: '127.0.0.1' })
  await api.POST('/v1/joins/{id}/accept', { params: { path: { id: one!.id } } })
  t.match(await joining.ended, { code: 0 })
  Service.start(t, ['--agent'], { config: join(own, 'agent.yaml'), 'management-heartbeat': '0.5' })
  await until(async () => {
    const { data } = await api.GET('/v1/instances').catch(() => ({ data: undefined }))
    return data?.instances.some(({ name, connected }) => name === 'sensor-1' && connected)
  }, 'it is an agent of the one that leads')
})
