import type { Supervisor } from '../supervisor/supervisor.js'
import type { Program } from '../supervisor/program.js'
import type { ControllerSettings } from './config.js'

/** Has the supervisor launch the controller's process. Where there is no supervisor it does nothing. */
export async function boot(
  supervisor: Supervisor | undefined,
  settings: ControllerSettings,
  base: Omit<Program, 'name' | 'tag'>
): Promise<void> {
  await supervisor?.start({
    ...base,
    name: settings.controller_name,
    tag: 'CONTROLLER',
    env: { ...base.env, ZEEK_MANAGEMENT_NODE: 'CONTROLLER' }
  })
}
