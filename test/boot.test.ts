import t from 'tap'
import { boot as bootAgent } from '../src/agent/boot.js'
import { boot as bootController } from '../src/controller/boot.js'
import type { Program } from '../src/supervisor/program.js'
import type { Supervisor } from '../src/supervisor/supervisor.js'
import { settingsOf } from './support/settings.js'

const settings = settingsOf({ 'agent-name': 'sensor-1', 'controller-name': 'controller' })
const base: Omit<Program, 'name' | 'tag'> = {
  kind: 'attached',
  command: ['program'],
  cwd: '/',
  env: { A: 'b' },
  stopOrder: 0,
  stopTimeoutMs: 1,
  restart: { initialMs: 1, maxMs: 1, resetMs: 1, maxFailures: 0 }
}

await t.test('in a supervisor each role is launched, and told by its environment which one it is', async t => {
  const started: Program[] = []
  const supervisor = {
    start: async (program: Program) => {
      started.push(program)
    }
  } as unknown as Supervisor
  await bootController(supervisor, settings, base)
  await bootAgent(supervisor, settings, base)
  t.match(started, [
    { name: 'controller', tag: 'CONTROLLER', env: { A: 'b', ZEEK_MANAGEMENT_NODE: 'CONTROLLER' } },
    { name: 'sensor-1', tag: 'AGENT', env: { A: 'b', ZEEK_MANAGEMENT_NODE: 'AGENT' } }
  ])
  t.ok(started[1]!.stopOrder > started[0]!.stopOrder, 'the agent is stopped before the controller')
})

await t.test('elsewhere boot does nothing', async t => {
  await t.resolves(bootController(undefined, settings, base))
  await t.resolves(bootAgent(undefined, settings, base))
})
