import t from 'tap'
import { takenPorts } from '../../../src/agent/check/taken-ports.js'
import type { Listener } from '../../../src/agent/check/listeners.js'

const held = (port: number, pid?: number, address = '0.0.0.0'): Listener => ({
  address,
  port,
  ...(pid === undefined ? {} : { holder: { pid, name: 'x', ancestors: [5] } })
})
const own =
  (pids: number[], ports: number[] = []) =>
  () => ({ pids: new Set(pids), ports: new Set(ports) })
const taken = (listeners: Listener[], ours = own([])) =>
  takenPorts({ listeners: async () => listeners }, '10.0.0.1', ours)

await t.test('what strangers hold is taken, where it is in the way', async t => {
  t.same(
    await taken([held(9100, 7), held(9090, 7, '10.0.0.1'), held(9090, 7), held(22), held(9000, 7, '10.0.0.2')]),
    [22, 9090, 9100]
  )
})

await t.test('what nodes and their children hold is not, also where their process is not to be seen', async t => {
  t.same(await taken([held(9000, 77), held(9001, 78), held(9002), held(9003)], own([77, 5], [9002])), [9003])
})
