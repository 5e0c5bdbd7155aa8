import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../controller.js'
import { stop } from '../process.js'

/** The scripts that make a supervisor of Zeek's start Zeek's own controller and agent: until 9.0. */
const scripts = ['policy/frameworks/management/controller', 'policy/frameworks/management/agent']

/** Why there is no controller of Zeek's own here; undefined where there is one. */
export const noZeek: string | undefined =
  spawnSync('zeek', ['-a', ...scripts], { stdio: 'ignore' }).status === 0
    ? undefined
    : 'there is no zeek with the Management framework on the PATH: not beside its own controller'

/** Zeek's own controller and agent, which has this name, with all of the machine. They may not answer yet. */
export async function startZeek(agent: string): Promise<{ port: number; stop: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-zeek-'))
  const [port, controllerPort, agentPort] = await Promise.all([freePort(), freePort(), freePort()])
  const supervisor = spawn('zeek', ['-j', ...scripts], {
    cwd: directory,
    stdio: 'ignore',
    env: {
      ...process.env,
      ZEEK_MANAGEMENT_STATE_DIR: directory,
      ZEEK_MANAGEMENT_SPOOL_DIR: directory,
      ZEEK_CONTROLLER_NAME: 'controller',
      ZEEK_CONTROLLER_ADDR: '127.0.0.1',
      ZEEK_CONTROLLER_PORT: `${controllerPort}/tcp`,
      ZEEK_CONTROLLER_WEBSOCKET_ADDR: '127.0.0.1',
      ZEEK_CONTROLLER_WEBSOCKET_PORT: `${port}/tcp`,
      ZEEK_AGENT_NAME: agent,
      ZEEK_AGENT_ADDR: '127.0.0.1',
      ZEEK_AGENT_PORT: `${agentPort}/tcp`
    }
  })
  return {
    port,
    stop: async () => {
      await stop(supervisor)
      await rm(directory, { recursive: true, force: true })
    }
  }
}
