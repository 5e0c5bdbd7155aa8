import type { Test } from 'tap'
import type { RequestType } from '../../schemas/api.js'
import { startController, type ControllerOptions } from '../../src/controller/main.js'
import { ask } from './client.js'
import { directoryOf } from './directory.js'
import { silent } from './log.js'
import { freePorts, portFlags } from './ports.js'
import { settingsOf } from './settings.js'

/** A controller in this process, on ports of its own. */
export async function startTestController(
  t: Test,
  flags: Record<string, string> = {},
  {
    log = silent,
    now = Date.now,
    agent,
    pages,
    replication
  }: Partial<Pick<ControllerOptions, 'log' | 'now' | 'agent' | 'pages' | 'replication'>> = {}
) {
  const [http, agents] = await freePorts(2)
  const settings = settingsOf({
    'management-state-dir': flags['management-state-dir'] ?? directoryOf(t),
    'controller-name': 'controller',
    'controller-websocket-port': String(http),
    'controller-port': String(agents),
    'controller-connect-grace': '1',
    // None among the events that a test waits for, however slow the machine.
    'controller-events-heartbeat': '600',
    'controller-health-interval': '0',
    // Nor does the machine decide what is refused.
    'controller-requests-work-max': '0',
    // Steps take their time: whose subject they are asks for them.
    'controller-deploy-strategy': 'at_once',
    ...portFlags(),
    ...flags
  })
  const running = await startController({ settings, log, now, agent, pages, replication })
  let closed: Promise<void> | undefined
  const close = () => (closed ??= running.close())
  t.teardown(close)
  return {
    ...running,
    close,
    settings,
    ask: (type: RequestType, args: object = {}, query = '') => ask(running.url, type, args, query)
  }
}
