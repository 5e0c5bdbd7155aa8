import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { isInTheWay, listenersOn, parseTable } from '../../../src/agent/check/listeners.js'

async function listen(t: Test, host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

await t.test('who listens is found, with its name and process', async t => {
  const port = await listen(t, '127.0.0.1')
  const [found, ...others] = await listenersOn(new Set([port]))
  t.same(others, [])
  t.match(found, { address: '127.0.0.1', port, holder: { pid: process.pid, name: String, ancestors: [process.ppid] } })
  t.same(await listenersOn(new Set([0])), [])
})

await t.test('a child that listens is told with its ancestors', async t => {
  const child = spawn(
    process.execPath,
    ['-e', 'const s = require("net").createServer().listen(0, "127.0.0.1", () => console.log(s.address().port))'],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  )
  t.teardown(() => child.kill('SIGKILL'))
  const [port] = await once(child.stdout!, 'data')
  const [found] = await listenersOn(new Set([Number(port)]))
  t.equal(found?.holder?.pid, child.pid)
  t.ok(found?.holder?.ancestors.includes(process.pid))
})

await t.test('only a listener at the same address, or at all of them, is in the way', async t => {
  const at = (address: string, host: string) => isInTheWay({ address, port: 1 }, host)
  t.ok(at('127.0.0.1', '127.0.0.1'))
  t.notOk(at('127.0.0.2', '127.0.0.1'))
  t.ok(at('0.0.0.0', '10.0.0.1'))
  t.ok(at('0'.repeat(32), '10.0.0.1'))
  t.ok(at(`${'0'.repeat(31)}1`, '::1'))
  t.notOk(at(`${'0'.repeat(31)}1`, 'fe80::1'))
  t.ok(at('20010db8000000000000000000000005', '2001:db8::5'))
})

await t.test('the tables of the kernel', async t => {
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:0885 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0',
    '   1: 0100007F:0885 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0',
    '   2: B80D0120000000000000000005000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4713 1 0 100 0 0 10 0',
    '   3: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4714 1 0 100 0 0 10 0',
    ''
  ].join('\n')
  t.same(parseTable(text), [
    { address: '127.0.0.1', port: 2181, inode: '4711' },
    { address: '20010db8000000000000000000000005', port: 80, inode: '4713' },
    { address: '127.0.0.1', port: 81, inode: '4714' }
  ])
})
