import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { accessSync, closeSync, constants, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../errors.js'
import { isRefused } from '../permission.js'
import { bootId, parseStat, readStatSync } from '../proc.js'
import type { Output } from './output.js'
import type { Exit, Program } from './program.js'

/** Identity of a process, safe against the reuse of its number: the number, when it started, and since which boot. */
export interface Identity {
  pid: number
  startTime: string
  bootId: string
  /** Its INVOCATION_ID. */
  invocation: string
}

/** Time between two looks at an adopted process, whose exit is not reported to us, in milliseconds. */
const pollMs = 250

/** Returns the line of a shell that sets a umask; empty where it is to stay. */
export const umaskLine = (umask: number | undefined) => (umask === undefined ? '' : `umask ${umask.toString(8)}`)

/** What a process has that is not its program's. */
export interface LaunchOptions {
  /** Undefined: that of this process. */
  umask?: number | undefined
  /** The directory of the cgroup that it joins; undefined: it stays in that of this process. */
  cgroup?: string | undefined
}

/**
 * Joins its cgroup, so that all that the program starts is in there, too. Writes its own process id, start time, boot
 * id and invocation id, then becomes the program: the program never runs without its file being there. $0 is the name
 * of the file, $1 that of the cgroup's processes, or nothing. The script reads in a subshell, since a variable of its
 * own could be one of the program's, and since the file is for nobody else, whatever the umask of the program.
 */
const launcher = (umask: number | undefined) => `
[ -z "$1" ] || ( printf '%s' "$$" > "$1" ) || echo 'memory_max does not hold: the process could not join its cgroup' >&2
shift
( umask 077 && IFS= read -r stat < /proc/$$/stat && IFS= read -r boot < /proc/sys/kernel/random/boot_id &&
printf '%s\\n%s\\n%s\\n%s\\n' "$$" "$stat" "$boot" "$INVOCATION_ID" > "$0" ) || {
  echo "cannot write $0" >&2
  exit 126
}
unset PWD OLDPWD
${umaskLine(umask)}
exec "$@"`

/**
 * Returns what a launched process wrote about itself; undefined when there is nothing (complete) to read. Throws when
 * it may not be read.
 */
export function readIdentity(pidFile: string): Identity | undefined {
  try {
    const [pid, stat, boot, ...rest] = readFileSync(pidFile, 'utf8').split('\n')
    if (!pid || !stat || !boot || rest.length === 0) return undefined
    // An earlier version wrote no invocation.
    return {
      pid: Number(pid),
      startTime: String(parseStat(stat)?.startTicks ?? ''),
      bootId: boot,
      invocation: rest.length > 1 ? rest[0]! : ''
    }
  } catch (error) {
    // A process that runs must not be taken for none.
    if (isRefused(error)) throw error
    return undefined
  }
}

/** Returns whether that very process runs. A zombie does not. */
export function isAlive(identity: Identity): boolean {
  if (identity.bootId !== bootId) return false
  const stat = readStatSync(identity.pid)
  return stat !== undefined && !stat.ended && String(stat.startTicks) === identity.startTime
}

/** A process that runs, a child of ours or an adopted one. */
export interface Running {
  pid: number
  /** Its INVOCATION_ID; empty when it is not known. */
  invocation: string
  /** The IPC channel of an attached program. */
  channel: ChildProcess | undefined
  /** Resolves once the process is gone. Never rejects. */
  exited: Promise<Exit>
  kill(signal: NodeJS.Signals): void
}

/** Starts a program. Whatever keeps it from starting is reported as its exit. */
export function launch(
  program: Program,
  pidFile: string,
  output: Output | undefined,
  { umask, cgroup }: LaunchOptions = {}
): Running {
  let files: [number, number] | undefined
  try {
    // Files, not pipes: a pipe would end with us and take the program along.
    files = output?.open()
    // Checked here, since Node would blame the shell for a missing directory.
    if (!statSync(program.cwd, { throwIfNoEntry: false })) throw new Error(`there is no directory ${program.cwd}`)
    accessSync(program.cwd, constants.X_OK)
    const processes = cgroup === undefined ? '' : join(cgroup, 'cgroup.procs')
    return spawnProgram(program, ['-c', launcher(umask), pidFile, processes, ...program.command], files)
  } catch (error) {
    return {
      pid: 0,
      invocation: '',
      channel: undefined,
      exited: Promise.resolve({ error: `cannot start: ${messageOf(error)}` }),
      kill: () => {}
    }
  } finally {
    files?.forEach(file => closeSync(file))
  }
}

function spawnProgram(program: Program, args: readonly string[], files: [number, number] | undefined): Running {
  const attached = program.kind === 'attached'
  const stdio: StdioOptions = ['ignore', files?.[0] ?? 'inherit', files?.[1] ?? 'inherit']
  if (attached) stdio.push('ipc')
  // Named and written as by systemd.
  const invocation = randomUUID().replaceAll('-', '')
  const child = spawn('/bin/sh', args, {
    cwd: program.cwd,
    env: { ...program.env, INVOCATION_ID: invocation },
    detached: !attached,
    stdio
  })
  // Once it is gone its number may be another's.
  let gone = false
  const exited = new Promise<Exit>(resolve => {
    child.once('error', error => resolve({ error: `cannot start: ${messageOf(error)}` }))
    child.once('exit', (code, signal) => {
      gone = true
      resolve(signal ? { signal } : { code: code ?? 0 })
    })
  })
  return {
    pid: child.pid ?? 0,
    invocation,
    channel: attached ? child : undefined,
    exited,
    kill: signal => {
      if (child.pid && !gone) signalTo(child.pid, signal, !attached)
    }
  }
}

/** Takes over a process that an earlier supervisor started. */
export function adopt(identity: Identity, kind: Program['kind']): Running {
  const gone = async (): Promise<Exit> => {
    while (isAlive(identity)) await sleep(pollMs)
    return {}
  }
  return {
    pid: identity.pid,
    invocation: identity.invocation,
    channel: undefined,
    exited: gone(),
    kill: signal => {
      if (isAlive(identity)) signalTo(identity.pid, signal, kind === 'detached')
    }
  }
}

/** Sends a signal. A detached program leads a group of its own, and SIGKILL goes to the whole group. */
function signalTo(pid: number, signal: NodeJS.Signals, leader: boolean): void {
  try {
    process.kill(leader && signal === 'SIGKILL' ? -pid : pid, signal)
  } catch {
    // It is gone, which is what was wanted.
  }
}

/**
 * Sends SIGTERM, and SIGKILL when that has not helped in time; then `killed` is called. Resolves when the process is
 * gone.
 */
export async function terminate(running: Running, timeoutMs: number, killed = () => {}): Promise<void> {
  running.kill('SIGTERM')
  const patience = setTimeout(() => {
    killed()
    running.kill('SIGKILL')
  }, timeoutMs)
  await running.exited
  clearTimeout(patience)
}
