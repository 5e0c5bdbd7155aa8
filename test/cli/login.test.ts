import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { run } from '../../src/cli/program.js'
import { contextsFile, readContexts } from '../../src/client/contexts.js'
import { fingerprintOfCertificate, certificatesIn } from '../../src/security/fingerprint.js'
import { freePorts } from '../support/ports.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, mainProgram } from '../support/environment.js'
import { fakeIo, runCommand } from '../support/command.js'

await t.test('a terminal is told not to show what is typed before the token is asked for', async t => {
  const { url } = await startTestController(t)
  const { io } = fakeIo({ env: { XDG_CONFIG_HOME: directoryOf(t) } })
  const order: string[] = []
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (isRaw: boolean) => order.push(isRaw ? 'raw' : 'as before')
  })
  io.stdin = stdin
  io.stderr.on('data', (chunk: Buffer) => {
    if (!chunk.toString().includes('Token: ')) return
    order.push('asked')
    // As a terminal does, in a later turn.
    setImmediate(() => stdin.write('a-token\r'))
  })
  t.equal(await run(['login', url], io), 0)
  t.same(order, ['raw', 'asked', 'as before'])
})

await t.test('several controllers are kept as one context, which goes on with those that answer', async t => {
  const { url } = await startTestController(t)
  const [port] = await freePorts(1)
  const nobody = `http://127.0.0.1:${port}`
  const env = { XDG_CONFIG_HOME: directoryOf(t) }
  const run = async (...args: string[]) => await runCommand(args, { env })
  t.match(await run('login', `${nobody}, ${url}/`, '--no-token', '--name', 'both'), {
    code: 0,
    stdout: new RegExp(`^context both: ${nobody},${url}, as `)
  })
  t.equal((await run('login', url, '--no-token', '--name', 'one')).code, 0)
  t.same(await readContexts(contextsFile(env)), {
    current: 'one',
    contexts: { both: { url: `${nobody},${url}` }, one: { url } }
  })
  t.match((await run('context', 'list')).stdout, new RegExp(`both +${nobody},${url} +no\n`))
  t.match(await run('history', '--context', 'both'), { code: 0, stderr: 'no requests\n' })
  t.match(await run('complete', '--', 'status', '--context', ''), { stdout: 'both\none\n' })
  t.match(await run('history', '--url', `${nobody},${nobody}0`), { code: 2, stderr: /0 is no URL of a controller/ })
})

await t.test('a token is kept for no controllers of which one would get it in clear', async t => {
  const { url } = await startTestController(t)
  const env = { XDG_CONFIG_HOME: directoryOf(t) }
  t.match(await runCommand(['login', `${url},http://zeek.example:2149`], { env, stdin: 'secret' }), {
    code: 2,
    stderr: 'zeek-cluster: the token would be sent in clear to http://zeek.example:2149: use https, or an ssh tunnel\n'
  })
  t.same(await readContexts(contextsFile(env)), { contexts: {} })
})

await t.test(
  'a controller with an authority of its own is known by a fingerprint, on its host and elsewhere',
  async t => {
    const directory = directoryOf(t)
    const settings = join(directory, 'controller.yaml')
    const env = { XDG_CONFIG_HOME: directoryOf(t), ZEEK_MANAGEMENT_STATE_DIR: directory }
    writeFileSync(settings, 'controller_authentication: token\ncontroller_authority: own\n')
    const offline = (...args: string[]) =>
      execFileSync(process.execPath, [mainProgram, 'token', 'create', '--offline', '--config', settings, ...args], {
        env: { ...cleanEnv, ...env },
        encoding: 'utf8'
      }).trim()
    t.throws(() => offline('--role', 'join'), { message: /start the controller first/ })
    const token = offline('--role', 'admin')
    const { url } = await startTestController(t, {
      'management-state-dir': directory,
      'controller-authentication': 'token',
      'controller-authority': 'own'
    })
    const ca = certificatesIn(readFileSync(join(directory, 'authority.pem'), 'utf8'))[0]!
    const fingerprint = fingerprintOfCertificate(ca)
    const words = offline('--role', 'join', '--accept', '--uses', '20', '--for', 'sensor-1').split(' ')
    t.same(words.slice(0, 2), ['zeek-cluster', 'join'])
    t.equal(words.at(-1), fingerprint)
    const run = async (...args: string[]) => await runCommand(args, { env, stdin: token })
    const other = fingerprint.replace(/.{4}$/, 'AAAA')
    t.match(await run('login', url, '--fingerprint', other), { code: 3, stderr: /Nothing was sent to it/ })
    t.notOk(existsSync(join(env.XDG_CONFIG_HOME, 'zeek-cluster')), 'nothing is kept')
    t.match(await run('login', url, '--fingerprint', fingerprint, '--name', 'a/b'), { code: 0, stdout: /as admin/ })
    t.match(await run('token', 'list', '--json'), {
      code: 0,
      stdout: /"uses": 20,\s*"accept": true,\s*"agent": "sensor-1"/
    })
    t.match(await run('token', 'create', '--role', 'join', '--uses', '0'), { code: 2 })
    t.match(await run('token', 'create', '--role', 'viewer', '--accept'), { code: 2, stderr: /role/ })
  }
)
