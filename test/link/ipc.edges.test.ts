import { fork } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { IpcTransport } from '../../src/link/ipc.js'
import type { Transport } from '../../src/link/transport.js'
import { cleanEnv, fixture } from '../support/environment.js'

async function start(t: Test) {
  const child = fork(fixture('link', 'echo.cjs'), { env: cleanEnv, execArgv: [] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

await t.test('a second close over IPC also waits until all has left', async t => {
  const child = await start(t)
  const transport: Transport = new IpcTransport(child)
  for (let n = 0; n < 200; n++) transport.send('x'.repeat(10_000))
  const first = transport.close('done')
  await transport.close('done')
  t.notOk(child.connected)
  await first
})
