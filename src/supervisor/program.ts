export type { Limits, Program, RestartPolicy, UnitState, UnitStatus } from '../../schemas/supervisor.js'

export interface Exit {
  /** Unknown (undefined) for an adopted process: only its parent learns it. */
  code?: number
  signal?: string
  /** Why it could not be started. */
  error?: string
}

export function describeExit(exit: Exit): string {
  if (exit.error !== undefined) return exit.error
  if (exit.signal !== undefined) return `killed by ${exit.signal}`
  return exit.code === undefined ? 'exited' : `exited with code ${exit.code}`
}
