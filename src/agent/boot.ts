import type { Program } from '../supervisor/program.js'
import type { Supervisor } from '../supervisor/supervisor.js'
import type { AgentSettings } from './config.js'

/** Starts the agent's process under the supervisor. Does nothing where there is no supervisor. */
export async function boot(
  supervisor: Supervisor | undefined,
  settings: AgentSettings,
  base: Omit<Program, 'name' | 'tag'>
): Promise<void> {
  // Started after the controller and stopped before it, so that the agent can report what becomes of its nodes.
  await supervisor?.start({
    ...base,
    name: settings.agent_name,
    tag: 'AGENT',
    stopOrder: 1,
    env: { ...base.env, ZEEK_MANAGEMENT_NODE: 'AGENT' }
  })
}
