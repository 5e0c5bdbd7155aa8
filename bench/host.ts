import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from '../src/util.js'
import { freePort } from './controller.js'
import { childrenOf, roleOf, stop } from './process.js'

/** The processes of a host that has everything. */
export type HostRole = 'supervisor' | 'controller' | 'agent'

/**
 * Starts what the README begins with, on ports of its own, and waits until it says that it is ready. `flags` and `env`
 * are set beside what that takes.
 */
export async function startHost({
  node = process.execPath,
  flags = {},
  env = {}
}: { node?: string; flags?: Record<string, string | number>; env?: NodeJS.ProcessEnv } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  const [port, agentPort] = await Promise.all([freePort(), freePort()])
  const all = {
    'management-state-dir': directory,
    'controller-websocket-port': port,
    'controller-port': agentPort,
    ...flags
  }
  const { child, ms } = await startNode(
    node,
    [
      join(packageRoot, 'dist/src/main.js'),
      'start',
      ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)
    ],
    env
  )
  const pids: Partial<Record<HostRole, number>> = { supervisor: child.pid! }
  for (const pid of childrenOf(child.pid!)) pids[roleOf(pid) === 'AGENT' ? 'agent' : 'controller'] = pid
  return {
    ms,
    port,
    pids,
    stop: async () => {
      await stop(child)
      await rm(directory, { recursive: true, force: true })
    }
  }
}

/** Starts a Node, and waits for the first line that it says. */
export async function startNode(
  node: string,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {}
): Promise<{ child: ChildProcess; ms: number }> {
  const { NODE_OPTIONS: _options, ...env } = process.env
  const started = performance.now()
  const child = spawn(node, args, { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = await Promise.race([once(createInterface(child.stdout!), 'line'), once(child, 'exit')])
  if (typeof line !== 'string') throw new Error(`${args.join(' ')} did not start`)
  return { child, ms: performance.now() - started }
}
