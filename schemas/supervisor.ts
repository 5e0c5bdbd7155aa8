import { Type, type Static, type TSchema } from '@sinclair/typebox'

/** What a supervisor and the controller or agent that it has started say to each other over IPC. */

/**
 * The version of this language. A supervisor runs on when its agent is started anew from newer files: so each side
 * works
 * with the version before its own. Version 0 had no `version`.
 */
export const supervisorApiVersion = 1

/** Whether a supervisor of a version can be worked with. */
export function supervises(version: number): boolean {
  return Math.abs(version - supervisorApiVersion) <= 1
}

/** How a program that exits on its own is started again. */
export const RestartPolicy = Type.Object({
  /** The first delay, in milliseconds; it doubles with each failure in a row. */
  initialMs: Type.Number({ minimum: 0 }),
  maxMs: Type.Number({ minimum: 0 }),
  /** A run at least this long, in milliseconds, ends the row. */
  resetMs: Type.Number({ minimum: 0 }),
  /** This many failures in a row, and it is given up. 0: never. */
  maxFailures: Type.Integer({ minimum: 0 })
})
export type RestartPolicy = Static<typeof RestartPolicy>

/** "attached": talks over IPC and ends with the supervisor. "detached": outlives it, and is adopted by the next. */
export const ProgramKind = Type.Unsafe<'attached' | 'detached'>({ type: 'string', enum: ['attached', 'detached'] })

/** A program that is to be kept running. */
export const Program = Type.Object({
  name: Type.String({ minLength: 1 }),
  kind: ProgramKind,
  /** Opaque: for the owner to see which version of the program runs. */
  tag: Type.String(),
  /** Opaque: for the owner to see what it was made from when it was started. */
  origin: Type.Optional(Type.Unknown()),
  command: Type.Array(Type.String(), { minItems: 1 }),
  cwd: Type.String({ minLength: 1 }),
  /** All of its environment, but for INVOCATION_ID. Names are those that a shell can hold: letters, digits and "_". */
  env: Type.Record(Type.String(), Type.String()),
  /** Programs with a higher number are stopped earlier. */
  stopOrder: Type.Number(),
  /** From SIGTERM to SIGKILL, in milliseconds. */
  stopTimeoutMs: Type.Number({ minimum: 0 }),
  restart: RestartPolicy,
  /**
   * Where stdout and stderr go, each run to files of its own, and the history of its runs; without it they are the
   * supervisor's own.
   */
  output: Type.Optional(Type.Object({ directory: Type.String(), maxBytes: Type.Number({ minimum: 0 }) }))
})
export type Program = Static<typeof Program>

/**
 *            start                 exit                  too often
 *  STOPPED ---------> RUNNING ----------------> CRASHED -----------> FAILED
 *     ^                | ^                       | |
 *     +----- stop -----+ +----- after a delay ---+ +-- stop --> STOPPED
 */
export const UnitState = Type.Unsafe<'RUNNING' | 'STOPPED' | 'CRASHED' | 'FAILED'>({
  type: 'string',
  enum: ['RUNNING', 'STOPPED', 'CRASHED', 'FAILED']
})
export type UnitState = Static<typeof UnitState>

/** A program as its supervisor sees it. */
export const UnitStatus = Type.Object({
  name: Type.String(),
  kind: ProgramKind,
  tag: Type.String(),
  origin: Type.Optional(Type.Unknown()),
  state: UnitState,
  pid: Type.Optional(Type.Integer()),
  /** Names its process, which has it as INVOCATION_ID in its environment: another one for each. */
  invocation: Type.Optional(Type.String()),
  /** How often it was started again after an exit. */
  restarts: Type.Integer(),
  /** Why it is in this state. */
  reason: Type.String()
})
export type UnitStatus = Static<typeof UnitStatus>

const named = Type.Object({ name: Type.String({ minLength: 1 }) })

/**
 * Asked of the supervisor: parameters and answer of each method. `ready` is a notification: the role serves, and says
 * so in a line.
 */
export const supervisorMethods = {
  version: { params: Type.Object({}), answer: Type.Object({ version: Type.Integer() }) },
  status: { params: Type.Object({}), answer: Type.Array(UnitStatus) },
  start: { params: Type.Object({ program: Program }) },
  stop: { params: named },
  /** The last output of a program, to be shown. */
  output: { params: named, answer: Type.Object({ stdout: Type.String(), stderr: Type.String() }) },
  ready: { params: Type.Object({ line: Type.String() }) }
} satisfies Record<string, { params: TSchema; answer?: TSchema }>

/** Notifications to controller and agent: the state of a program has changed; files are to be read again. */
export const roleMethods = {
  changed: { params: UnitStatus },
  reload: { params: Type.Object({}) }
} satisfies Record<string, { params: TSchema }>
