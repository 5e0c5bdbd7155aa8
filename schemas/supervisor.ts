import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { MemoryMax, Nice } from './node-fields.js'

/** Messages over IPC between a supervisor and the controller or agent that it has started. */

/**
 * The version of the IPC protocol. A supervisor keeps running when its agent is restarted from newer files: so each
 * side works with the version before its own. Version 0 had no `version`.
 */
export const supervisorApiVersion = 1

/** Returns whether this side works with a supervisor of that version. */
export function supervises(version: number): boolean {
  return Math.abs(version - supervisorApiVersion) <= 1
}

/** How a program that exits on its own is restarted. */
export const RestartPolicy = Type.Object({
  /** The first delay, in milliseconds; it doubles with each failure in a row. */
  initialMs: Type.Number({ minimum: 0 }),
  maxMs: Type.Number({ minimum: 0 }),
  /** A run of at least this length, in milliseconds, ends the row of failures. */
  resetMs: Type.Number({ minimum: 0 }),
  /** After this many failures in a row the program is given up. 0: never. */
  maxFailures: Type.Integer({ minimum: 0 })
})
export type RestartPolicy = Static<typeof RestartPolicy>

/**
 * "attached": communicates over IPC and ends with the supervisor. "detached": outlives the supervisor, and is adopted
 * by the next one.
 */
export const ProgramKind = Type.Unsafe<'attached' | 'detached'>({ type: 'string', enum: ['attached', 'detached'] })

/** What a program is held to, as far as its host allows it. */
export const Limits = Type.Object({ memory_max: Type.Optional(MemoryMax), nice: Type.Optional(Nice) })
export type Limits = Static<typeof Limits>

/** A program that the supervisor keeps running. */
export const Program = Type.Object({
  name: Type.String({ minLength: 1 }),
  kind: ProgramKind,
  /** Opaque: lets the owner see which version of the program runs. */
  tag: Type.String(),
  /** Opaque: lets the owner see what the program was made from when it was started. */
  origin: Type.Optional(Type.Unknown()),
  command: Type.Array(Type.String(), { minItems: 1 }),
  cwd: Type.String({ minLength: 1 }),
  /**
   * The whole environment of the program, except INVOCATION_ID. Names are those that a shell can hold: letters, digits
   * and "_".
   */
  env: Type.Record(Type.String(), Type.String()),
  /** Programs with a higher number are stopped earlier. */
  stopOrder: Type.Number(),
  /** Time from SIGTERM to SIGKILL, in milliseconds. */
  stopTimeoutMs: Type.Number({ minimum: 0 }),
  restart: RestartPolicy,
  limits: Type.Optional(Limits),
  /**
   * Where stdout and stderr go (each run has files of its own), and the history of runs. Without it they are the
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
  /** Identifies the process, which has it as INVOCATION_ID in its environment: different for each process. */
  invocation: Type.Optional(Type.String()),
  /** How often the program was restarted after an exit. */
  restarts: Type.Integer(),
  /** Why the program is in this state. */
  reason: Type.String()
})
export type UnitStatus = Static<typeof UnitStatus>

const named = Type.Object({ name: Type.String({ minLength: 1 }) })

/**
 * Methods that the supervisor answers: parameters and answer of each. `ready` is a notification: the role serves, and
 * `line` says so.
 */
export const supervisorMethods = {
  version: { params: Type.Object({}), answer: Type.Object({ version: Type.Integer() }) },
  /**
   * Answered once the roles are ready that begin before the one that asks; an earlier supervisor, which starts a role
   * no sooner, does not know of it.
   */
  turn: { params: Type.Object({}) },
  status: { params: Type.Object({}), answer: Type.Array(UnitStatus) },
  start: { params: Type.Object({ program: Program }) },
  stop: { params: named },
  /** Why such limits would not hold for a program, each with its name; an earlier supervisor does not know of any. */
  obstacles: { params: Limits, answer: Type.Array(Type.String()) },
  /** The last output of a program, for display. */
  output: { params: named, answer: Type.Object({ stdout: Type.String(), stderr: Type.String() }) },
  ready: { params: Type.Object({ line: Type.String() }) },
  /** Ends the supervisor, and leaves the nodes to the next one; an earlier supervisor does not know of it. */
  leave: { params: Type.Object({}) }
} satisfies Record<string, { params: TSchema; answer?: TSchema }>

/**
 * Notifications from the supervisor to controller and agent: the state of a program has changed; files must be read
 * again.
 */
export const roleMethods = {
  changed: { params: UnitStatus },
  reload: { params: Type.Object({}) }
} satisfies Record<string, { params: TSchema }>
