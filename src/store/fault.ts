import { AppError, messageOf } from '../errors.js'

/**
 * `locked`: by another process, for a while. `damaged`: until it is repaired. `failing`: full, read-only, broken, gone.
 */
export type FaultKind = 'locked' | 'damaged' | 'failing'

/** The store cannot do what it is asked to do: a fault of the store or its disk, not of the caller. */
export class StoreFault extends AppError {
  readonly kind: FaultKind
  readonly reason: string

  constructor(kind: FaultKind, reason: string, cause?: unknown) {
    super('unavailable', `the store cannot be used: ${reason}`, { cause })
    this.kind = kind
    this.reason = reason
  }
}

/** SQLite's result codes that concern the store, and its texts for them. Any other code concerns a statement. */
const kinds: readonly [code: number, text: string, kind: FaultKind][] = [
  // A file that is shorter than it should be.
  [522, '', 'damaged'],
  [5, 'database is locked', 'locked'],
  [6, 'database table is locked', 'locked'],
  [7, 'out of memory', 'failing'],
  [8, 'attempt to write a readonly database', 'failing'],
  [10, 'disk I/O error', 'failing'],
  [11, 'database disk image is malformed', 'damaged'],
  [13, 'database or disk is full', 'failing'],
  [14, 'unable to open database file', 'failing'],
  [15, 'locking protocol', 'locked'],
  [26, 'file is not a database', 'damaged']
]

/** Returns an error as a fault of the store; undefined if it is not one. */
export function faultIn(error: unknown): StoreFault | undefined {
  if (error instanceof StoreFault) return error
  const { code, errcode, message } = (error ?? {}) as { code?: string; errcode?: number; message?: string }
  if (code !== 'ERR_SQLITE_ERROR') return undefined
  // A query that fails while it returns rows has only the text.
  const kind = kinds.find(([number, text]) =>
    errcode === undefined ? message === text : errcode === number || (errcode & 0xff) === number
  )?.[2]
  return kind && new StoreFault(kind, messageOf(error), error)
}
