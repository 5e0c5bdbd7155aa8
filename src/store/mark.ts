import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { AppError, messageOf } from '../errors.js'

/** The position that a log has reached. */
export interface LogPosition {
  epoch: string
  seq: number
}

/**
 * Logs in the order of their lines. Each line begins at a fixed place, so that it is overwritten without touching the
 * others.
 */
const logs = ['events', 'audit'] as const
const lineLength = 64

/** Returns the path of a database's mark. */
export const markOf = (database: string): string => `${database}.mark`

/**
 * The positions of a database's logs, in a file beside it: what is committed is recorded here before anyone learns of
 * it, and never before it is committed. So a database that is behind its mark is an older one, a restored backup.
 * Nothing is synced: killing the process loses nothing, and after a crash of the machine no log is trusted anyway.
 */
export class Mark {
  #path: string
  #places: Partial<Record<string, LogPosition>>
  /** Opened only for writing: a process that only reads creates no file. */
  #file: number | undefined

  /** Reads the mark. Throws `unavailable` when there is one that cannot be read. */
  static open(path: string): Mark {
    try {
      return new Mark(path, read(path))
    } catch (error) {
      throw new AppError('unavailable', messageOf(error), { cause: error })
    }
  }

  private constructor(path: string, places: Partial<Record<string, LogPosition>>) {
    this.#path = path
    this.#places = places
  }

  /** Returns a log's position as found or written since; undefined when no complete one was found. */
  of(log: (typeof logs)[number]): LogPosition | undefined {
    return this.#places[log]
  }

  /** Records the position of a log. Throws when it cannot be written. */
  write(log: (typeof logs)[number], { epoch, seq }: LogPosition): void {
    this.#file ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600)
    this.#places[log] = { epoch, seq }
    writeSync(this.#file, `${`${log} ${epoch} ${seq}`.padEnd(lineLength - 1)}\n`, logs.indexOf(log) * lineLength)
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}

function read(path: string): Partial<Record<string, LogPosition>> {
  let text = ''
  try {
    text = readFileSync(path, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const lines = text.matchAll(/^([a-z]+) ([a-z0-9]+) (\d+) *\n/gm)
  return Object.fromEntries([...lines].map(([, log, epoch, seq]) => [log, { epoch: epoch!, seq: Number(seq) }]))
}
