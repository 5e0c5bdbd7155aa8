/** How a program that exits on its own is started again. */
export interface RestartPolicy {
  /** The first delay; it doubles with each failure in a row. */
  initialMs: number
  maxMs: number
  /** A run at least this long ends the row. */
  resetMs: number
  /** This many failures in a row, and it is given up. 0: never. */
  maxFailures: number
}

/** A program that is to be kept running. */
export interface Program {
  name: string
  /** "attached": talks over IPC and ends with the supervisor. "detached": outlives it, and is adopted by the next. */
  kind: 'attached' | 'detached'
  /** Opaque: for the owner to see which version of the program runs. */
  tag: string
  /** Opaque: for the owner to see what it was made from when it was started. */
  origin?: unknown
  command: string[]
  cwd: string
  /** All of its environment, but for INVOCATION_ID. Names are those that a shell can hold: letters, digits and "_". */
  env: Record<string, string>
  /** Programs with a higher number are stopped earlier. */
  stopOrder: number
  /** From SIGTERM to SIGKILL. */
  stopTimeoutMs: number
  restart: RestartPolicy
  /** Where stdout and stderr go, each run to files of its own, and the history of its runs; without it they are the supervisor's own. */
  output?: { directory: string; maxBytes: number }
}

export interface Exit {
  /** Unknown (undefined) for an adopted process: only its parent learns it. */
  code?: number
  signal?: string
  /** It could not be started. */
  error?: string
}

/**
 *            start                 exit                  too often
 *  STOPPED ---------> RUNNING ----------------> CRASHED -----------> FAILED
 *     ^                | ^                       | |
 *     +----- stop -----+ +----- after a delay ---+ +-- stop --> STOPPED
 */
export type UnitState = 'RUNNING' | 'STOPPED' | 'CRASHED' | 'FAILED'

export interface UnitStatus {
  name: string
  kind: Program['kind']
  tag: string
  origin?: unknown
  state: UnitState
  pid?: number
  /** Names its process, which has it as INVOCATION_ID in its environment: another one for each. */
  invocation?: string
  /** How often it was started again after an exit. */
  restarts: number
  /** Why it is in this state. */
  reason: string
}

export function describeExit(exit: Exit): string {
  if (exit.error !== undefined) return exit.error
  if (exit.signal !== undefined) return `killed by ${exit.signal}`
  return exit.code === undefined ? 'exited' : `exited with code ${exit.code}`
}
