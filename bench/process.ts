import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

/** What is measured runs on the first core, what loads it on the second, where they can be had. */
export type Core = 0 | 1

const canPin = cpus().length > 1 && spawnSync('taskset', ['-V']).status === 0

/** Starts a program on a core. */
export function start(
  core: Core,
  command: string,
  args: readonly string[],
  stdio: StdioOptions = 'inherit',
  env = process.env
): ChildProcess {
  const [file, ...rest] = canPin ? ['taskset', '-c', String(core), command, ...args] : [command, ...args]
  return spawn(file!, rest, { stdio, env })
}

/** Has a process that runs go on on a core. */
export function pin(pid: number, core: Core): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(pid)])
}

/** A compiled program of this folder, with a channel over which it is told and tells. */
export function startOurs(
  core: Core,
  program: string,
  args: readonly string[] = [],
  execArgv: readonly string[] = []
): ChildProcess {
  return start(
    core,
    process.execPath,
    [...execArgv, fileURLToPath(new URL(program, import.meta.url)), ...args],
    ['inherit', 'inherit', 'inherit', 'ipc']
  )
}

/** The next thing that it says. Throws when it ends without. */
export async function told<T>(child: ChildProcess): Promise<T> {
  const gone = new AbortController()
  const stop = () => gone.abort()
  child.once('exit', stop)
  try {
    const [message] = await once(child, 'message', { signal: gone.signal })
    return message as T
  } catch (error) {
    throw gone.signal.aborted
      ? new Error(`${child.spawnargs.join(' ')} has ended with ${child.exitCode ?? child.signalCode}`)
      : error
  } finally {
    child.off('exit', stop)
  }
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'exit')
}

/**
 * CPU time of processes with all their threads, in microseconds: the scheduler's clock. Threads that have ended do not
 * count.
 */
export function cpuOf(...pids: readonly number[]): number {
  let nanoseconds = 0
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      try {
        nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
      } catch {
        /* It has just ended. */
      }
    }
  }
  return nanoseconds / 1000
}

/** Resident memory of processes, in bytes. */
export function residentOf(...pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
    0
  )
}

/** Their proportional share of resident memory, in bytes: what n processes have in common counts as an nth for each. */
export function shareOf(...pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]),
    0
  )
}

/** The role that a process of ours was started for. */
export function roleOf(pid: number): string | undefined {
  return /(?:^|\0)ZEEK_MANAGEMENT_NODE=(\w+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1]
}

export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}
