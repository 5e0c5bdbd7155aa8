import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from '../src/util.js'
import { childrenOf, cpuOf, residentOf, start, stop } from './process.js'

/**
 * A controller as anyone would start it, with its supervisor, on the core that is measured. Limits that only a bench
 * reaches are off.
 */
export interface RunningController {
  url: string
  /** Where clients reach it, on 127.0.0.1. */
  port: number
  /** Where agents reach it. */
  agentPort: number
  /** Of the controller itself: its supervisor is not measured. */
  pid: number
  directory: string
  /** Its CPU time so far, in microseconds. */
  cpu(): number
  /** Bytes. */
  resident(): number
  /** Ends it. `keep`: its directory stays, for another one. */
  stop(options?: { keep?: boolean; signal?: NodeJS.Signals }): Promise<void>
}

const unlimited = {
  'controller-requests-rate-max': 0,
  'controller-requests-work-max': 0,
  'controller-pending-max': 1_000_000,
  'controller-pending-per-client': 1_000_000,
  'controller-connections-max': 100_000,
  'controller-connections-per-address': 100_000,
  'controller-events-streams-max': 100_000,
  'controller-events-streams-per-client': 100_000,
  'controller-messages-connections-max': 1_000,
  'controller-messages-connections-per-client': 1_000
}

export async function startController(
  flags: Record<string, string | number> = {},
  { directory: given, ports }: { directory?: string; ports?: readonly [number, number] } = {}
): Promise<RunningController> {
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-')))
  const [port, agentPort] = ports ?? (await Promise.all([freePort(), freePort()]))
  const all = {
    ...unlimited,
    // As Zeek's own controller does.
    'controller-deploy-strategy': 'at_once',
    'management-log-level': 'error',
    'management-state-dir': directory,
    'controller-name': 'controller',
    'controller-websocket-port': port,
    'controller-port': agentPort,
    ...flags
  }
  // Without the options of this process, which tests would hand on.
  const { NODE_OPTIONS: _options, ...env } = process.env
  const host = start(
    0,
    process.execPath,
    [
      join(packageRoot, 'dist/src/main.js'),
      'start',
      '--controller',
      ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)
    ],
    ['ignore', 'pipe', 'inherit'],
    env
  )
  const [line] = await Promise.race([once(createInterface(host.stdout!), 'line'), once(host, 'exit')])
  if (typeof line !== 'string') throw new Error('the controller did not start')
  // Another one once it was started again.
  const pidNow = () => childrenOf(host.pid!)[0]!
  const pid = pidNow()
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    agentPort,
    get pid() {
      return pidNow()
    },
    directory,
    cpu: () => cpuOf(pid),
    resident: () => residentOf(pid),
    stop: async ({ keep = false, signal = 'SIGTERM' } = {}) => {
      await stop(host, signal)
      if (!keep) await rm(directory, { recursive: true, force: true })
    }
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
