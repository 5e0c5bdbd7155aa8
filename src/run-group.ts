import { spawn } from 'node:child_process'

/**
 * How long output is read after the end of the leader, in milliseconds: children may have more to write, or hold it
 * open for ever.
 */
const drainMs = 1000

export interface GroupOptions {
  cwd: string
  env: Record<string, string>
  /**
   * Descriptors from 0 on. What comes from 1 and 2, where they are pipes, is the output. Other pipes are closed at the
   * end.
   */
  stdio: ('ignore' | 'pipe')[]
  /** What it gets at descriptor 0, where that is a pipe: it may leave it unread. */
  input?: string
  /** Time after which the whole group is killed. It is also killed when the signal aborts. */
  timeoutMs: number
  signal: AbortSignal
  /** How much of the output is kept: the end, in characters. Default: nothing. */
  maxOutput?: number
  /** Called with the process id of the leader once it has one. */
  onStart?: (pid: number) => void
  /** Called with all of the output as it comes. */
  onOutput?: (text: string) => void
  /**
   * Kills what is left of the group once its leader has ended. Use it only where something in the group is certain to
   * outlive the leader: otherwise the group's number may be another's.
   */
  killRest?: boolean
}

export interface GroupEnd {
  /** How the leader has ended: with a code, or by a signal. */
  code: number | null
  by: NodeJS.Signals | null
  /** Why the group was killed; undefined when it was not. */
  givenUp: 'timeout' | 'abort' | undefined
  output: string
}

/** Runs a command as the leader of a process group, until it has ended. Rejects when it cannot be started. */
export async function runGroup(
  [program, ...args]: readonly string[],
  { cwd, env, stdio, timeoutMs, signal, input, maxOutput = 0, onStart, onOutput, killRest = false }: GroupOptions
): Promise<GroupEnd> {
  const child = spawn(program!, args, { cwd, env, stdio, detached: true })
  if (child.pid !== undefined) onStart?.(child.pid)
  if (input !== undefined) child.stdin?.on('error', () => {}).end(input)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (maxOutput > 0) output = (output + text).slice(-maxOutput)
      onOutput?.(text)
    })
  }
  const kill = () => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  let givenUp: GroupEnd['givenUp']
  const giveUp = (why: GroupEnd['givenUp']) => {
    givenUp ??= why
    kill()
  }
  const abort = () => giveUp('abort')
  const timer = setTimeout(() => giveUp('timeout'), timeoutMs)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  let drain: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', () => {
        if (killRest) kill()
        // A process that has left the group may hold the streams open.
        drain = setTimeout(() => {
          for (const stream of child.stdio) stream?.destroy()
        }, drainMs)
      })
      child.once('close', (code, by) => resolve({ code, by, givenUp, output }))
    })
  } finally {
    clearTimeout(timer)
    clearTimeout(drain)
    signal.removeEventListener('abort', abort)
  }
}
