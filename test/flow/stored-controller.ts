import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { getJson } from '../support/client.js'
import { argumentsOf, cleanEnv, mainProgram } from '../support/environment.js'
import { freePorts, portFlags } from '../support/ports.js'
import { untilReady } from '../support/role.js'
import { until } from '../support/until.js'
import { stateDir } from '../controller/fake-agent.js'

/** Why this machine cannot give a process a disk of its own; undefined when it can. */
export const noDisk =
  spawnSync('unshare', ['--mount', '--map-root-user', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0
    ? undefined
    : 'a mount namespace cannot be made here'

/** In front of a command: gives it a directory that is a disk of its own, of a size (`8m`). Others do not see it. */
export const onDiskOf = (size: string, directory: string): readonly string[] => [
  'unshare',
  '--mount',
  '--map-root-user',
  'sh',
  '-c',
  'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@"',
  'sh',
  size,
  directory
]

/** Writes until there is no room left. Returns what makes room again. */
export function fillDisk(directory: string): () => void {
  const path = join(directory, 'filler')
  const file = openSync(path, 'w')
  for (let size = 1_048_576; size >= 1; size /= 4) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
  closeSync(file)
  return () => rmSync(path)
}

export interface StoredController {
  child: ChildProcess
  url: string
  httpPort: number
  agentPort: number
  /** The state directory, as this process sees it. */
  directory: string
  database: string
  /** What it has logged of its store, in order. */
  told(): string[]
  /** What is wrong, as it says itself; nothing when it is ready. */
  problems(): Promise<string[]>
  /** Waits until it says that it is ready. */
  recovers(): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
}

/**
 * A controller in a process of its own, with its state on a disk of its own if a size is given. Rejects with what it
 * says when it does not start.
 */
export async function startStoredController(
  t: Test,
  { size, directory: inside = stateDir(t) }: { size?: string; directory?: string } = {}
): Promise<StoredController> {
  const [http, agents] = await freePorts(2)
  const flags = {
    'management-state-dir': inside,
    'management-log-level': 'warn',
    'controller-name': 'controller',
    'controller-websocket-port': String(http),
    'controller-port': String(agents),
    'controller-events-heartbeat': '600',
    ...portFlags()
  }
  const [command, ...args] = [
    ...(size === undefined ? [] : onDiskOf(size, inside)),
    process.execPath,
    mainProgram,
    'start',
    '--controller',
    ...argumentsOf(flags)
  ]
  const child = spawn(command!, args, {
    env: { ...cleanEnv, ZEEK_MANAGEMENT_NODE: 'CONTROLLER' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc']
  })
  let said = ''
  child.stderr!.on('data', chunk => {
    said += chunk
  })
  const gone = once(child, 'exit')
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await gone
  }
  t.teardown(() => stop('SIGKILL'))
  await Promise.race([
    untilReady(child),
    gone.then(() => {
      throw new Error(said)
    })
  ])
  const url = `http://127.0.0.1:${http}`
  const directory = size === undefined ? inside : join('/proc', String(child.pid), 'root', inside)
  const problems = async () => (await getJson(`${url}/readyz`)).checks
  return {
    child,
    url,
    httpPort: http!,
    agentPort: agents!,
    directory,
    database: join(directory, 'controller.sqlite'),
    told: () =>
      said
        .split('\n')
        .filter(line => line.startsWith('{'))
        .map(line => JSON.parse(line).message as string)
        .filter(message => /store|response|notif/.test(message)),
    problems,
    recovers: () => until(async () => (await problems()).length === 0, 'it is ready again').then(() => {}),
    stop
  }
}

/** Another process that holds the lock of a database. Returns what lets go of it. */
export async function lock(t: Test, path: string): Promise<() => Promise<void>> {
  const program = `import { DatabaseSync } from '@photostructure/sqlite'
    const db = new DatabaseSync(process.argv[1], { timeout: 5000 })
    db.exec('BEGIN EXCLUSIVE')
    process.send('locked')
    process.once('disconnect', () => db.close())`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], {
    env: cleanEnv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const gone = once(child, 'exit')
  const release = async () => {
    if (child.connected) child.disconnect()
    await gone
  }
  t.teardown(release)
  await once(child, 'message')
  return release
}
