import { AppError, messageOf } from '../errors.js'

/**
 * `locked`: by another process, for a while. `damaged`: until somebody mends it. `failing`: full, read-only, broken,
 * gone.
 */
export type FaultKind = 'locked' | 'damaged' | 'failing'

/** The store cannot do what it is asked for: its fault, or its disk's, not that of who asked. */
export class StoreFault extends AppError {
  readonly kind: FaultKind
  readonly reason: string

  constructor(kind: FaultKind, reason: string, cause?: unknown) {
    super('unavailable', `the store cannot be used: ${reason}`, { cause })
    this.kind = kind
    this.reason = reason
  }
}

/** SQLite's result codes that tell of the store, and its texts for them. Any other tells of a statement. */
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

/** What was thrown, as a fault of the store if it is one. */
export function faultIn(error: unknown): StoreFault | undefined {
  if (error instanceof StoreFault) return error
  const { code, errcode, message } = (error ?? {}) as { code?: string; errcode?: number; message?: string }
  if (code !== 'ERR_SQLITE_ERROR') return undefined
  // A query that fails on its way has the text alone.
  const kind = kinds.find(([number, text]) =>
    errcode === undefined ? message === text : errcode === number || (errcode & 0xff) === number
  )?.[2]
  return kind && new StoreFault(kind, messageOf(error), error)
}
