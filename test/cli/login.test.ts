import { PassThrough } from 'node:stream'
import t from 'tap'
import { run } from '../../src/cli/program.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { fakeIo } from '../support/command.js'

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
