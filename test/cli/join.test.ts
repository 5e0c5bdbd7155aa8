import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { run } from '../../src/cli/program.js'
import { connect } from '../../src/client/connection.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { createKey } from '../../src/security/certificate-authority.js'
import { fingerprintOfCertificate } from '../../src/security/fingerprint.js'
import { createAuthority, selfSign } from '../support/certificates.js'
import { startTestAgent } from '../support/agent.js'
import { fakeIo, runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

/** A controller with an authority, in this process, and a token with which one host joins at once. */
async function start(t: Test, flags: Record<string, string> = { 'controller-authority': 'own' }) {
  const directory = directoryOf(t)
  const admin = await tokenCommand(['create'], { role: 'admin' }, directory)
  const controller = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    ...flags
  })
  const api = await connect({ urls: [controller.url], token: admin, tls: { rejectUnauthorized: false } })
  const { data } = await api.POST('/v1/tokens', { body: { role: 'join', join: { accept: true } } })
  const left = async () => (await api.GET('/v1/tokens')).data!.tokens.find(({ id }) => id === data!.id)?.join?.uses
  const state = join(directory, 'sensor-1')
  const words = ['join', controller.url, '--token', data!.token, '--name', 'sensor-1', '--state-dir', state]
  const env = { ZEEK_CLUSTER_URL: controller.url, ZEEK_CLUSTER_CA: join(directory, 'authority.pem') }
  const as = (token: string) => ({ env: { ...env, ZEEK_CLUSTER_TOKEN: token } })
  return { ...controller, api, admin, as, directory, state, words, left, fingerprint: data!.fingerprint! }
}

await t.test('options after a command of `instances` are those of that command', async t => {
  const { as, admin, url, directory } = await start(t)
  const { env } = as(admin)
  const listed = await runCommand(['instances', 'pending', '--all', '--json'], { env })
  t.same(JSON.parse(listed.stdout), { joins: [] })
  const elsewhere = { env: { ...env, ZEEK_CLUSTER_URL: 'https://127.0.0.1:9', ZEEK_CLUSTER_CA: undefined } }
  for (const [verb, said] of [
    ['accept', /no host asks to join as sensor-9/],
    ['deny', /no host asks to join as sensor-9/],
    ['forget', /there is no agent sensor-9/]
  ] as const) {
    const args = ['instances', verb, 'sensor-9', '--url', url, '--ca', join(directory, 'authority.pem')]
    t.match(await runCommand(args, elsewhere), { code: 1, stderr: said }, verb)
  }
})

await t.test('at a terminal it asks whether it is the controller, and sends nothing unless it is told so', async t => {
  const { words, left, fingerprint } = await start(t)
  const answering = async (answer: string) => {
    const { io, written } = fakeIo()
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
    io.stdin = stdin
    io.stderr.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('yes/no')) setImmediate(() => stdin.write(`${answer}\n`))
    })
    const code = await run(words, io)
    await new Promise(resolve => setImmediate(resolve))
    return { code, stderr: written.stderr }
  }
  const no = await answering('no')
  t.equal(no.code, 2)
  t.ok(no.stderr.includes(`shows the fingerprint ${fingerprint}`), no.stderr)
  t.equal(await left(), 1)
  t.equal((await answering('yes')).code, 0)
  t.equal(await left(), 0)
})

await t.test('a controller whose certificate is of no authority is known by that very one', async t => {
  const directory = directoryOf(t)
  const yours = createAuthority(directory, 'yours')
  const files = { cert: join(directory, 'own.pem'), key: join(directory, 'own.key') }
  selfSign('/CN=someone else', files)
  const { words, fingerprint, settings, state, controller } = await start(t, {
    'controller-authority-cert': yours.ca,
    'controller-authority-key': yours.ca.replace('.pem', '.key'),
    'controller-tls-cert': files.cert,
    'controller-tls-key': files.key
  })
  t.equal(fingerprint, fingerprintOfCertificate(readFileSync(files.cert)))
  const { code, stderr } = await runCommand([...words, '--fingerprint', fingerprint])
  t.equal(code, 0, stderr)
  const written = parse(readFileSync(join(state, 'agent.yaml'), 'utf8'))
  t.match(written, { agent_tls_pin: join(state, 'controller-ca.pem'), agent_tls_ca: undefined })
  const flags = Object.fromEntries(
    Object.entries(written as Record<string, string>).map(([name, value]) => [name.replaceAll('_', '-'), value])
  )
  await startTestAgent(t, 'sensor-1', settings.controller_port, flags, state)
  await until(() => controller.instances().some(({ connected }) => connected), 'it is connected')
})

await t.test('what is wrong with the command is said before anything is sent or made', async t => {
  const { words, left, fingerprint, url } = await start(t)
  const cases: [string[], RegExp][] = [
    [['join', url, '--fingerprint', fingerprint], /either --token or --token-file/],
    [[...words, '--token-file', 'x'], /either --token or --token-file/],
    [[...words, '--fingerprint', fingerprint, '--ca', '/dev/null'], /exclude each other/],
    [[...words, '--ca', '/dev/null'], /holds no certificate/],
    [[...words, '--fingerprint', fingerprint, '--user', 'no-such-user'], /there is no user no-such-user/]
  ]
  for (const [args, message] of cases) t.match(await runCommand(args), { code: 2, stderr: message })
  t.equal(await left(), 1)
})

const isRoot = process.getuid!() === 0
const given = isRoot ? ['--user', 'nobody'] : []

await t.test('settings that are a link are neither read nor given away', async t => {
  const { words, fingerprint, directory, state } = await start(t)
  const secret = join(directory, 'secret.yaml')
  writeFileSync(secret, 'password: x\n', { mode: 0o600 })
  mkdirSync(state)
  const config = join(state, 'agent.yaml')
  symlinkSync(secret, config)
  const joining = [...words, '--fingerprint', fingerprint, ...given]
  t.match(await runCommand(joining), { code: 2, stderr: /agent.yaml is not read: it is a link, or no file/ })
  t.equal(readFileSync(secret, 'utf8'), 'password: x\n')
  t.match(statSync(secret), { uid: process.getuid!() })
  unlinkSync(config)
  t.match(await runCommand(joining), { code: 0 }, 'the same command goes on')
})

await t.test('settings get no bits by which they would run as somebody', async t => {
  const { words, fingerprint, state } = await start(t)
  mkdirSync(state)
  const config = join(state, 'agent.yaml')
  writeFileSync(config, '# ours\n')
  chmodSync(config, 0o6755)
  t.match(await runCommand([...words, '--fingerprint', fingerprint, ...given]), { code: 0 })
  t.equal(statSync(config).mode & 0o7777, 0o755)
})

await t.test('no key is taken up that may be the secret of somebody else', async t => {
  const { words, fingerprint, directory, state, left } = await start(t)
  const secret = join(directory, 'secret.pem')
  writeFileSync(secret, await createKey(), { mode: 0o600 })
  mkdirSync(state)
  const path = join(state, 'join.pem')
  const foreign = () => {
    writeFileSync(path, readFileSync(secret))
    chownSync(path, 12_345, 12_345)
  }
  const ways: [() => void, RegExp][] = [
    [() => symlinkSync(secret, path), /join.pem is not read: it is a link/],
    [() => linkSync(secret, path), /join.pem is no key of this agent's/],
    [() => mkdirSync(path), /join.pem is not read/],
    ...(isRoot ? [[foreign, /it is another user's/] as [() => void, RegExp]] : [])
  ]
  for (const [put, message] of ways) {
    put()
    t.match(await runCommand([...words, '--fingerprint', fingerprint, ...given]), { code: 2, stderr: message })
    t.notOk(existsSync(join(state, 'identity.pem')))
    rmSync(path, { recursive: true })
  }
  t.equal(await left(), 1)
})

await t.test('to forget a host tells of the tokens by which it could be an agent again', async t => {
  const { words, fingerprint, api, admin, as } = await start(t)
  const joining = [...words, '--fingerprint', fingerprint]
  t.match(await runCommand(joining), { code: 0 })
  const { data } = await api.POST('/v1/tokens', { body: { role: 'join', join: { accept: true, uses: 2 } } })
  await api.POST('/v1/tokens', { body: { role: 'join' } })
  const forgot = await runCommand(['instances', 'forget', 'sensor-1'], as(admin))
  t.match(forgot, { code: 0, stderr: new RegExp(`if sensor-1 is stolen, revoke ${data!.id} \\(.*, 2 left\\)\n$`) })
  const again = joining.with(3, data!.token)
  t.match(await runCommand([...again, '--anew']), { code: 0 }, 'with a new key')
  const { data: operator } = await api.POST('/v1/tokens', { body: { role: 'operator' } })
  t.match(await runCommand(['instances', 'forget', 'sensor-1'], as(operator!.token)), {
    code: 0,
    stderr: /have an admin revoke the tokens that accept hosts at once/
  })
})
