import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createAuthority } from '../support/certificates.js'
import { runCommand } from '../support/command.js'
import { directoryOf } from '../support/directory.js'
import { here, noNats, startNats } from '../support/nats.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'
import { Replicas } from './replicas.js'

const sensors = ['sensor-1', 'sensor-2']

/** A certificate, as flags of a role; `ca`: the authority of the other ends. */
const shown = (role: string, { cert, key }: { cert: string; key: string }, ca: string) => ({
  [`${role}-tls-cert`]: cert,
  [`${role}-tls-key`]: key,
  [`${role}-tls-ca`]: ca
})

await t.test('with certificates on every way', { skip: noNats, timeout: 240_000 }, async (t: Test) => {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const { ca } = authority
  // A second one, for NATS: whoever is a client of the controllers is none of its.
  const natsAuthority = createAuthority(directory, 'nats-ca')
  const server = natsAuthority.issue('server', 'n1')
  const nats = await startNats(t, {
    extra: `tls {
      cert_file: "${server.cert}", key_file: "${server.key}"
      ca_file: "${natsAuthority.ca}", verify: true
    }`
  })
  const replicas = await Replicas.create(t, nats, { c1: here, c2: here, c3: here }, name => ({
    ...shown('controller', authority.issue('controller', name), ca),
    ...shown('controller-nats', natsAuthority.issue('replica', name), natsAuthority.ca),
    'controller-authentication': 'token'
  }))
  replicas.start()
  for (const name of sensors) replicas.startAgent(name, here, shown('agent', authority.issue('agent', name), ca))

  const people = new Map(
    ['admin', 'viewer'].map(role => {
      const { cert, key } = authority.issue(role, `the-${role}`)
      return [role, ['--ca', ca, '--cert', cert, '--key', key]]
    })
  )
  const run = async (who: 'admin' | 'viewer', urls: readonly string[], ...args: string[]) =>
    await runCommand([...args, '--url', urls.join(','), ...people.get(who)!])
  const urls = replicas.names.map(name => replicas.urlOf(name))
  const leader = async (besides?: string) =>
    await until(async () => {
      const { code, stdout } = await run('viewer', urls, 'replication', 'status', '--json')
      const told: { name: string; role?: string }[] = code === 0 ? JSON.parse(stdout).replicas : []
      const leading = told.find(({ role }) => role === 'leader')?.name
      return leading !== besides && leading
    }, 'one leads, and all answer')
  const first = await leader()
  const followers = replicas.names.filter(name => name !== first).map(name => replicas.urlOf(name))
  const connected = async () =>
    await until(async () => {
      const { stdout } = await run('viewer', followers, 'instances', '--json')
      const { instances = [] } = JSON.parse(stdout || '{}') as { instances?: { name: string; connected: boolean }[] }
      return sensors.every(sensor => instances.some(({ name, connected }) => name === sensor && connected))
    }, 'agents are connected to the leader')
  await connected()

  const file = join(directory, 'cluster.json')
  writeFileSync(file, JSON.stringify(configurationOf(sensors)))
  const deployed = await run('admin', followers, 'deploy', file, '--no-check', '--strategy', 'at_once')
  t.equal(deployed.code, 0, deployed.stderr)
  const refused = await run('viewer', followers, 'deploy')
  t.equal(refused.code, 3)
  t.match(refused.stderr, /operator/)
  const { stdout } = await run('admin', followers, 'audit', '--json')
  t.match(stdout, /"name":\s*"the-admin"[^}]*"address":\s*"127\.0\.0\.1"/, 'who has asked a follower')

  await replicas.kill(first)
  const second = await leader(first)
  t.not(second, first)
  await connected()
  const checked = await run('admin', urls, 'check')
  t.equal(checked.code, 0, checked.stderr)
})
