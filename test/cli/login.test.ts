import { PassThrough } from 'node:stream'
import t from 'tap'
import { run } from '../../src/cli/program.js'
import { contextsFile, readContexts } from '../../src/client/contexts.js'
import { freePorts } from '../support/ports.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
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
