import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { AppError, messageOf } from '../errors.js'

/** How far a log has got. */
export interface LogPosition {
  epoch: string
  seq: number
}

/** A place for each log, at which its line always begins, so that one is written over without the others. */
const logs = ['events', 'audit'] as const
const lineLength = 64

/**
 * How far the logs of a database have got, in a file beside it: what is committed is written down here before anyone
 * hears
 * of it, and never before it is committed. So a database that is behind is an older one, a backup that was restored.
 * Nothing is synced: a killed process takes nothing back, and after a crash of the machine no log is trusted anyway.
 */
export class Mark {
  #path: string
  #places: Partial<Record<string, LogPosition>>
  /** Opened to be written: whoever only looks makes none. */
  #file: number | undefined

  /** Throws `unavailable` when there is one that cannot be read. */
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

  /** As it was found, or written since; undefined when nothing (whole) was. */
  of(log: (typeof logs)[number]): LogPosition | undefined {
    return this.#places[log]
  }

  /** Throws when it cannot be written. */
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
