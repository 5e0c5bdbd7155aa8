import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { IpcTransport } from '../../src/link/ipc.js'
import { Link } from '../../src/link/link.js'
import type { Transport } from '../../src/link/transport.js'
import { cleanEnv, fixture } from '../support/environment.js'
import { until } from '../support/until.js'
import { holdContract, listenTo } from './transport-contract.js'

function start(t: Test, program: string): ChildProcess {
  const child = fork(fixture('link', program), { env: cleanEnv, execArgv: [] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

await holdContract('IPC', async t => {
  const child = start(t, 'echo.cjs')
  await once(child, 'message')
  return { near: new IpcTransport(child), leave: () => child.send('leave') }
})

await t.test('what a process sends over IPC before it closes and exits all arrives', async t => {
  const transport = new IpcTransport(start(t, 'flood.mjs'))
  const heard = listenTo(transport)
  transport.send('go')
  await until(() => heard.closed.length, 'the process has left')
  t.same(
    heard.texts.map(text => parseInt(text)),
    Array.from({ length: 2000 }, (_, n) => n + 1)
  )
})

await t.test('what we send over IPC before we close all arrives', async t => {
  const child = start(t, 'echo.cjs')
  await once(child, 'message')
  const transport: Transport = new IpcTransport(child)
  let back = 0
  child.on('message', () => {
    back++
  })
  for (let n = 1; n < 2000; n++) transport.send(`text ${n}`)
  transport.send('exit')
  // Only "exit", the last one, ends it with 0 before its channel ends.
  const [code] = await Promise.all([once(child, 'exit'), transport.close('done')])
  t.same(code, [0, null])
  t.ok(back <= 1999)
})

await t.test('a link over IPC asks and notifies a process that speaks its frames', async t => {
  const seen: string[] = []
  const link = new Link(new IpcTransport(start(t, 'peer.cjs')), {
    seen: name => {
      seen.push(name)
    }
  })
  t.equal(await link.ask('double', 21, { timeoutMs: 10_000 }), 42)
  await t.rejects(link.ask('triple', 21, { timeoutMs: 10_000 }), { code: 'not_found', message: 'no triple' })
  for (const name of ['a', 'b', 'c']) link.notify(name)
  await until(() => seen.length === 3, 'all were seen')
  t.same(seen, ['a', 'b', 'c'])
})

await t.test('a question to a process that dies is rejected as unavailable', async t => {
  const child = start(t, 'peer.cjs')
  const link = new Link(new IpcTransport(child), {})
  await t.rejects(link.ask('die', {}, { timeoutMs: 10_000 }), { code: 'unavailable' })
  t.ok(link.closed.aborted)
  await t.rejects(link.ask('double', 1, { timeoutMs: 10_000 }), { code: 'unavailable' })
})

await t.test('a link over IPC that we close is closed for the reason that we gave', async t => {
  const link = new Link(new IpcTransport(start(t, 'peer.cjs')), {})
  await link.close('the agent is stopping')
  t.equal(link.closed.reason, 'the agent is stopping')
})
