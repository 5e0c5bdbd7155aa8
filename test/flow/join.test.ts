import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { certificatesIn, fingerprintOfCertificate } from '../../src/security/fingerprint.js'
import { selfSign } from '../support/certificates.js'
import { runCommand } from '../support/command.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { modeOf, program, says, startController } from './joining.js'

await t.test('a host joins once an operator has accepted it, and runs as that agent', async t => {
  const { directory, state, tokenFor, joins, joinAs, left, adminEnv, startAgent, connected, instance } =
    await startController(t)
  const { id, token, fingerprint } = await tokenFor()
  t.match(fingerprint, /^SHA256:/)
  const joining = joinAs('sensor-1', token)
  const [, key] = (await says(
    joining.written,
    /the key of sensor-1 has the fingerprint (SHA256:\S+)/
  )) as RegExpExecArray
  await says(joining.written, /waiting until an operator accepts it/)
  t.match(await joins(), [{ name: 'sensor-1', status: 'pending', fingerprint: key, address: '127.0.0.1', token: id }])
  const listed = await runCommand(['instances', 'pending'], { env: adminEnv })
  t.match(listed.stdout, key!)
  t.match(await runCommand(['instances', 'accept', 'sensor-1'], { env: adminEnv }), { code: 0, stderr: /accepted/ })
  t.match(await joining.ended, { code: 0, stdout: /sensor-1 has joined.*\nstart it: zeek-cluster start --agent/ })
  t.equal(await left(id), 0)
  const own = join(directory, 'sensor-1')
  t.same(readdirSync(own).sort(), ['agent.yaml', 'controller-ca.pem', 'identity.pem'])
  for (const file of readdirSync(own)) t.equal(modeOf(join(own, file)), '600', file)
  t.equal(modeOf(own), '700')
  for (const file of ['authority.pem', 'controller.pem']) t.equal(modeOf(join(state, file)), '600', file)
  startAgent('sensor-1')
  await connected('sensor-1')
  t.match(await instance('sensor-1'), { configured: false, certificate_expires_at: /^2/ })
  const again = await joinAs('sensor-1', token).ended
  t.match(again, { code: 0, stdout: /has joined already/ }, 'to join again changes nothing')
  const renamed = await program(t, [
    ...['join', adminEnv.ZEEK_CLUSTER_URL, '--token', token, '--fingerprint', fingerprint!],
    ...['--name', 'sensor-2', '--state-dir', own]
  ]).ended
  t.match(renamed, { code: 2, stderr: /this host is sensor-1, and keeps its name/ })
})

await t.test('a token can say that hosts are accepted at once, and as which agent', async t => {
  const { tokenFor, joinAs, joins, left } = await startController(t)
  const { id, token } = await tokenFor({ accept: true, agent: 'sensor-1' })
  const other = await joinAs('sensor-2', token).ended
  t.match(other, { code: 3, stderr: /the token is for agent sensor-1, not sensor-2/ })
  t.equal(await left(id), 1, 'what is refused costs no use')
  t.match(await joinAs('sensor-1', token).ended, { code: 0 })
  t.match(await joins(), [{ name: 'sensor-1', status: 'accepted', decided_by: 'the token' }])
})

await t.test('of two hosts with a token that is good for one, one joins', async t => {
  const { tokenFor, joinAs, joins, left } = await startController(t)
  const { id, token } = await tokenFor({ accept: true })
  const ends = await Promise.all(['sensor-1', 'sensor-2'].map(name => joinAs(name, token).ended))
  t.same(ends.map(({ code }) => code).sort(), [0, 3])
  t.match(ends.find(({ code }) => code === 3)?.stderr, /the token is used up/)
  t.equal((await joins()).length, 1)
  t.equal(await left(id), 0)
})

await t.test('a host that is denied gets no certificate, and nothing is left of its key', async t => {
  const { directory, tokenFor, joinAs, adminEnv } = await startController(t)
  const joining = joinAs('sensor-1', (await tokenFor()).token)
  await says(joining.written, /waiting/)
  t.match(await runCommand(['instances', 'deny', 'sensor-1'], { env: adminEnv }), { code: 0 })
  t.match(await joining.ended, { code: 1, stderr: /the controller has denied sensor-1/ })
  t.same(readdirSync(join(directory, 'sensor-1')), [])
})

await t.test('a token that is revoked, or of another kind, joins nobody', async t => {
  const { api, tokenFor, joinAs } = await startController(t)
  const { id, token } = await tokenFor()
  const joining = joinAs('sensor-1', token)
  await says(joining.written, /waiting/)
  await api.DELETE('/v1/tokens/{id}', { params: { path: { id } } })
  t.match(await joining.ended, { code: 3 }, 'also while it is waited for')
  t.same((await api.GET('/v1/joins')).data!.joins, [], 'and nothing is left to be accepted')
  const { data } = await api.POST('/v1/tokens', { body: { role: 'operator' } })
  t.match(await joinAs('sensor-1', data!.token).ended, { code: 3, stderr: /of role operator: this needs join/ })
})

/** A server that takes TLS connections with a certificate of its own, and notes what it is sent. */
async function impostor(t: Test, shown: { cert: string; key: string }) {
  const heard: string[] = []
  const server = createServer({ cert: shown.cert, key: shown.key }, socket => {
    socket.on('data', chunk => heard.push(String(chunk)))
    socket.on('error', () => {})
  })
  server.on('tlsClientError', () => {})
  let connections = 0
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, heard, contacts: () => connections }
}

await t.test('the token reaches nobody who is not the controller', async t => {
  const { directory, tokenFor, fingerprint, ca, state, url } = await startController(t)
  const { token } = await tokenFor()
  const files = { cert: join(directory, 'x.pem'), key: join(directory, 'x.key') }
  selfSign('/CN=127.0.0.1', files)
  const own = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') }
  const run = (to: string, ...more: string[]) =>
    program(t, ['join', to, '--token', token, '--name', 'sensor-1', '--state-dir', join(directory, 'a'), ...more]).ended
  const stranger = await impostor(t, own)
  t.match(await run(stranger.url, '--fingerprint', fingerprint), {
    code: 3,
    stderr: new RegExp(
      `is not the controller with the fingerprint .*it shows ${fingerprintOfCertificate(own.cert).replace(/[+/]/g, '\\$&')}`
    )
  })
  t.ok(stranger.contacts() > 0, 'it was asked what it shows')
  t.same(stranger.heard, [], 'and was sent nothing')
  const middle = await impostor(t, { ...own, cert: `${own.cert}${ca}` })
  t.match(await run(middle.url, '--fingerprint', fingerprint), { code: 3 }, 'one that shows the authority, too')
  const copied = certificatesIn(readFileSync(join(state, 'controller.pem'), 'utf8')).join('')
  await t.rejects(impostor(t, { ...own, cert: copied }), 'nobody can show it without its key')
  t.match(await run(middle.url, '--ca', join(state, 'authority.pem')), { code: 3 })
  t.same(middle.heard, [])
  t.match(
    await run(url),
    { code: 2, stderr: /shows the fingerprint SHA256:.*nothing was sent/ },
    'nobody is trusted on sight'
  )
  t.match(await run(url, '--fingerprint', 'SHA256:abc'), { code: 2, stderr: /43 characters/ })
  t.match(await run(url.replace('https', 'http'), '--fingerprint', fingerprint), { code: 2, stderr: /speaks no TLS/ })
  t.notOk(existsSync(join(directory, 'a', 'identity.pem')))
})

await t.test('whenever a host is killed while it joins, the same command goes on', async t => {
  const { directory, tokenFor, joinAs, joins, left } = await startController(t)
  const { id, token } = await tokenFor({ accept: true })
  const [own, name] = [join(directory, 'sensor-1'), 'sensor-1']
  const seen = new Set<string>()
  let ended: { code: number | null } | undefined
  // From before it has a key to after it has joined.
  for (let patienceMs = 150; ended?.code !== 0; patienceMs += 350) {
    const joining = joinAs(name, token)
    const timer = setTimeout(() => joining.child.kill('SIGKILL'), patienceMs)
    ended = await joining.ended
    clearTimeout(timer)
    seen.add(
      existsSync(own)
        ? readdirSync(own)
            .filter(file => !file.endsWith('.tmp'))
            .sort()
            .join(' ')
        : 'nothing'
    )
    t.ok(patienceMs < 60_000, 'it comes to an end')
  }
  t.ok(seen.size > 1, [...seen].join(' | '))
  t.same(await left(id), 0, 'it was counted once')
  t.equal((await joins()).length, 1)
  t.equal(existsSync(join(own, 'join.pem')), false)
})

await t.test('at each step a host can be killed, and the same command goes on', async t => {
  const { directory, tokenFor, joinAs, joins, startAgent, connected } = await startController(t)
  const { token } = await tokenFor({ accept: true })
  const own = join(directory, 'sensor-1')
  t.match(await joinAs('sensor-1', token).ended, { code: 0 })
  const [identity, config] = ['identity.pem', 'agent.yaml'].map(file => readFileSync(join(own, file), 'utf8')) as [
    string,
    string
  ]
  const key = identity.slice(0, identity.indexOf('-----BEGIN CERTIFICATE'))
  // What is there after each step: the key; the certificate, too; then the authority; then the settings.
  for (const gone of [
    ['identity.pem', 'controller-ca.pem', 'agent.yaml'],
    ['controller-ca.pem', 'agent.yaml'],
    ['agent.yaml'],
    []
  ]) {
    writeFileSync(join(own, 'join.pem'), key, { mode: 0o600 })
    for (const file of gone) rmSync(join(own, file), { force: true })
    t.match(await joinAs('sensor-1', token).ended, { code: 0 }, `without ${gone.join(', ')}`)
    t.equal(readFileSync(join(own, 'identity.pem'), 'utf8'), identity)
    t.equal(readFileSync(join(own, 'agent.yaml'), 'utf8'), config)
    t.equal(existsSync(join(own, 'join.pem')), false)
  }
  t.equal((await joins()).length, 1)
  startAgent('sensor-1')
  await connected('sensor-1')
})

await t.test('a controller that is killed while hosts join goes on with them', async t => {
  const { service, state, tokenFor, joinAs, joins, left, adminEnv } = await startController(t)
  const { id, token } = await tokenFor({ uses: 2 })
  const joining = joinAs('sensor-1', token)
  await says(joining.written, /waiting/)
  const authority = readFileSync(join(state, 'authority.pem'), 'utf8')
  const pid = service.pid!
  process.kill(pid, 'SIGKILL')
  await until(() => !isRunning(pid), 'it is gone')
  await says(joining.written, /trying again/)
  await until(async () => (await joins().catch(() => [])).length === 1, 'another one has what was asked')
  t.match(await runCommand(['instances', 'accept', 'sensor-1'], { env: adminEnv }), { code: 0 })
  t.match(await joining.ended, { code: 0 })
  t.equal(await left(id), 1)
  t.equal(readFileSync(join(state, 'authority.pem'), 'utf8'), authority, 'with the same authority')
})

const givesAway = { skip: process.getuid!() === 0 ? false : 'only root gives files away' }
await t.test('what is in the settings of an agent stays, and so do mode and comments', givesAway, async t => {
  const { directory, tokenFor, url, fingerprint } = await startController(t)
  const { token } = await tokenFor({ accept: true })
  const config = join(directory, 'agent.yaml')
  writeFileSync(config, '# ours\nagent_archive_dir: /srv/logs # here\nagent_token_file: /etc/token\n', { mode: 0o644 })
  const own = join(directory, 'own')
  mkdirSync(own, { mode: 0o700 })
  const ended = await program(t, [
    ...['join', url, '--token', token, '--fingerprint', fingerprint, '--name', 'sensor-1'],
    ...['--config', config, '--state-dir', own, '--controllers', 'zeek1:2150,zeek2:2150', '--user', 'nobody']
  ]).ended
  t.match(ended, { code: 0, stdout: new RegExp(`--config ${config}`) }, ended.stderr)
  const text = readFileSync(config, 'utf8')
  t.match(text, /^# ours\nagent_archive_dir: \/srv\/logs # here\n/)
  t.match(parse(text), {
    agent_name: 'sensor-1',
    agent_controller: 'zeek1:2150,zeek2:2150',
    agent_token_file: undefined,
    agent_tls_cert: join(own, 'identity.pem')
  })
  t.equal(modeOf(config), '644')
  const nobody = statSync(join(own, 'identity.pem')).uid
  t.not(nobody, process.getuid!(), 'its files are those of the user that runs it')
  for (const path of [own, join(own, 'controller-ca.pem')]) t.equal(statSync(path).uid, nobody)
  t.equal(statSync(config).uid, process.getuid!())
})
