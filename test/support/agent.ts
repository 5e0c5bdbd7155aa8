import type { Test } from 'tap'
import type { HostProbes } from '../../src/agent/check/host-probes.js'
import { startAgent } from '../../src/agent/main.js'
import { directoryOf } from './directory.js'
import { cleanEnv, standIn } from './environment.js'
import { silent } from './log.js'
import { settingsOf } from './settings.js'
import { supervisorIn } from './supervisor.js'

/** A host with nothing against it: what this one has and may is not a test's concern. */
export const goodHost: HostProbes = {
  interface: async () => 'up',
  listeners: async () => [],
  unpinnable: async () => undefined,
  obstacles: async () => [],
  maySniff: async () => true,
  free: async () => 50
}

/** An agent in this process, with a supervisor of its own, whose nodes are stopped at the end of the test. */
export async function startTestAgent(
  t: Test,
  name: string,
  controllerPort: number,
  flags: Record<string, string> = {},
  directory = directoryOf(t),
  host: HostProbes = goodHost
) {
  const settings = settingsOf({
    'management-state-dir': directory,
    'agent-name': name,
    'agent-controller': `127.0.0.1:${controllerPort}`,
    'agent-restart-delay': '0.2',
    'agent-stop-timeout': '2',
    bin: standIn,
    ...flags
  })
  const { supervisor, programs, connect } = supervisorIn(directory)
  await supervisor.recover()
  const start = (client = programs) =>
    startAgent({ settings, env: cleanEnv, programs: client, controllerPort, log: silent, host })
  let agent = await start()
  let closed: Promise<void> | undefined
  const close = () => (closed ??= agent.close())
  /** Another agent in place of this one, which is closed: the nodes and their supervisor go on. */
  const again = async () => {
    await close()
    agent = await start(connect())
    closed = undefined
  }
  t.teardown(async () => {
    await close()
    await supervisor.close()
  })
  return { ...agent, close, again, supervisor, settings }
}
