import type { Program } from '../supervisor/program.js'
import type { Supervisor } from '../supervisor/supervisor.js'
import type { AgentSettings } from './config.js'

/** Has the supervisor launch the agent's process. Where there is no supervisor it does nothing. */
export async function boot(
  supervisor: Supervisor | undefined,
  settings: AgentSettings,
  base: Omit<Program, 'name' | 'tag'>
): Promise<void> {
  // After the controller, and stopped before it, so that it can tell what becomes of its nodes.
  await supervisor?.start({
    ...base,
    name: settings.agent_name,
    tag: 'AGENT',
    stopOrder: 1,
    env: { ...base.env, ZEEK_MANAGEMENT_NODE: 'AGENT' }
  })
}
