import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import type { OutputStream } from '../../schemas/requests.js'
import { isRefused } from '../permission.js'

export const streams: readonly OutputStream[] = ['stdout', 'stderr']

/** How many runs before the latest keep their files. */
export const runsBefore = 5

/** What of an output is shown: this many lines from its end, and no more than this many bytes. */
export const tailLines = 100
export const tailBytes = 64 * 1024

/** A run's file that is cut keeps no more: it is held in memory for it. */
const cutBytes = 16 * 1024 * 1024

/** Where an incarnation's output is: 0 is the latest run, 1 the one before it. */
export function fileOf(directory: string, stream: OutputStream, incarnation = 0): string {
  return join(directory, incarnation === 0 ? stream : `${stream}.${incarnation}`)
}

/** What the latest run had written when its file was last rotated. */
export function rotatedFileOf(directory: string, stream: OutputStream): string {
  return join(directory, `${stream}.old`)
}

function succeeds(job: () => void): boolean {
  try {
    job()
    return true
  } catch {
    return false
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Whether a file is there. Throws when that is not for us to know. */
export function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/** The last bytes of a file, up to `size`; none when it is gone. Throws when it may not be read. */
export function readEnd(path: string, bytes: number, size = sizeOf(path)): Buffer {
  const buffer = Buffer.alloc(Math.min(bytes, size))
  if (buffer.length === 0) return buffer
  let file
  try {
    file = openSync(path, 'r')
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, size - buffer.length))
  } catch (error) {
    if (isRefused(error)) throw error
    return Buffer.alloc(0)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** The last bytes of the latest run, `size` bytes long by now, and of what was rotated where that is not enough. */
export function readLatest(directory: string, stream: OutputStream, bytes: number, size?: number): Buffer {
  const end = readEnd(fileOf(directory, stream), bytes, size)
  return end.length >= bytes ? end : Buffer.concat([readEnd(rotatedFileOf(directory, stream), bytes - end.length), end])
}

/**
 * The last lines of a text; `isCut` says that its first line began before it: then it is left out, unless it is most of
 * the text.
 */
export function lastLines(text: Buffer, lines: number, isCut: boolean): string {
  const whole = isCut ? text.indexOf('\n') + 1 : 0
  const all = text
    .subarray(whole <= text.length / 2 ? whole : 0)
    .toString()
    .replace(/\n$/, '')
    .split('\n')
  return lines === 0 ? '' : all.slice(-lines).join('\n')
}

/**
 * The files that a program's stdout and stderr go to. Each run has its own; those of some runs before are kept, as
 * `<name>.1` (the run before), `<name>.2` …
 */
export class Output {
  #directory: string
  #maxBytes: number

  constructor(directory: string, maxBytes: number) {
    this.#directory = directory
    this.#maxBytes = maxBytes
  }

  /** Opens both, for a new run. The caller closes them. */
  open(): [number, number] {
    mkdirSync(this.#directory, { recursive: true })
    return streams.map(stream => {
      this.#putAside(stream)
      return openSync(fileOf(this.#directory, stream), 'a', 0o640)
    }) as [number, number]
  }

  /**
   * Keeps the files of a running program in bounds. It holds them open, so they are copied and emptied: what it
   * writes in between is lost. The copy is in place last: whoever sees a new one knows that the file begins anew.
   */
  rotate(): void {
    for (const stream of streams) {
      const path = fileOf(this.#directory, stream)
      if (sizeOf(path) < this.#maxBytes) continue
      const rotated = rotatedFileOf(this.#directory, stream)
      const isCopied = succeeds(() => copyFileSync(path, `${rotated}.tmp`))
      truncateSync(path)
      // Without room for a copy there is none, rather than no room at all.
      if (isCopied) renameSync(`${rotated}.tmp`, rotated)
      else rmSync(`${rotated}.tmp`, { force: true, recursive: true })
    }
  }

  /** The last lines that the latest run has written. */
  tail(): Record<OutputStream, string> {
    const tailOf = (stream: OutputStream) => {
      const end = readLatest(this.#directory, stream, tailBytes)
      return lastLines(end, tailLines, end.length === tailBytes)
    }
    return { stdout: tailOf('stdout'), stderr: tailOf('stderr') }
  }

  /**
   * Each run becomes one that is further back, in bounds; the last is dropped, and so is what the latest had rotated.
   */
  #putAside(stream: OutputStream): void {
    rmSync(rotatedFileOf(this.#directory, stream), { force: true })
    for (let incarnation = runsBefore; incarnation > 0; incarnation--) {
      const path = fileOf(this.#directory, stream, incarnation)
      const newer = fileOf(this.#directory, stream, incarnation - 1)
      if (isThere(newer)) renameSync(newer, path)
      else rmSync(path, { force: true })
    }
    const before = fileOf(this.#directory, stream, 1)
    if (sizeOf(before) <= this.#maxBytes) return
    // It has grown since it was last looked at. On a full disk it stays so, and the program starts all the same.
    const isCut = succeeds(() =>
      writeFileSync(`${before}.tmp`, readEnd(before, Math.min(this.#maxBytes, cutBytes)), { mode: 0o640 })
    )
    if (isCut) renameSync(`${before}.tmp`, before)
    else rmSync(`${before}.tmp`, { force: true, recursive: true })
  }
}
