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
import type { NodeOutputStream } from '../../schemas/requests.js'
import { isRefused } from '../permission.js'

export const streams: readonly NodeOutputStream[] = ['stdout', 'stderr']

/** How many runs before the latest keep their files. */
export const runsBefore = 5

/** How much of the end of an output is shown: at most this many lines, and this many bytes. */
export const tailLines = 100
export const tailBytes = 64 * 1024

/** Most bytes that a run's file keeps when it is cut: they are held in memory for it. */
const cutBytes = 16 * 1024 * 1024

/** Returns the path of an incarnation's output: 0 is the latest run, 1 the one before it. */
export function fileOf(directory: string, stream: NodeOutputStream, incarnation = 0): string {
  return join(directory, incarnation === 0 ? stream : `${stream}.${incarnation}`)
}

/** Returns the path of what the latest run had written when its file was last rotated. */
export function rotatedFileOf(directory: string, stream: NodeOutputStream): string {
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

/** Returns whether a file is there. Throws when this process may not see that. */
export function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/** Returns the last bytes of a file, up to `size`; none when it is gone. Throws when it may not be read. */
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

/**
 * Returns the last bytes of the latest run, which is `size` bytes long by now, and of its rotated file where that is
 * not enough.
 */
export function readLatest(directory: string, stream: NodeOutputStream, bytes: number, size?: number): Buffer {
  const end = readEnd(fileOf(directory, stream), bytes, size)
  return end.length >= bytes ? end : Buffer.concat([readEnd(rotatedFileOf(directory, stream), bytes - end.length), end])
}

/**
 * Returns the last lines of a text. `isCut` means that its first line began before the text: then it is left out,
 * unless it is most of the text.
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

  /** Opens both files, for a new run. The caller closes them. */
  open(): [number, number] {
    mkdirSync(this.#directory, { recursive: true })
    return streams.map(stream => {
      this.#putAside(stream)
      return openSync(fileOf(this.#directory, stream), 'a', 0o600)
    }) as [number, number]
  }

  /**
   * Keeps the files of a running program within bounds. The program holds them open, so they are copied and emptied:
   * what it writes in between is lost. The copy is put in place last: a reader that sees a new one knows that the file
   * begins anew.
   */
  rotate(): void {
    for (const stream of streams) {
      const path = fileOf(this.#directory, stream)
      if (sizeOf(path) < this.#maxBytes) continue
      const rotated = rotatedFileOf(this.#directory, stream)
      const isCopied = succeeds(() => copyFileSync(path, `${rotated}.tmp`))
      truncateSync(path)
      // Without room for a copy the file is emptied without one, rather than filling the disk.
      if (isCopied) renameSync(`${rotated}.tmp`, rotated)
      else rmSync(`${rotated}.tmp`, { force: true, recursive: true })
    }
  }

  /** Returns the last lines that the latest run has written. */
  tail(): Record<NodeOutputStream, string> {
    const tailOf = (stream: NodeOutputStream) => {
      const end = readLatest(this.#directory, stream, tailBytes)
      return lastLines(end, tailLines, end.length === tailBytes)
    }
    return { stdout: tailOf('stdout'), stderr: tailOf('stderr') }
  }

  /**
   * Moves the file of each run one place back, and cuts that of the latest run to its bounds. The oldest is dropped,
   * and so is what the latest run had rotated.
   */
  #putAside(stream: NodeOutputStream): void {
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
      writeFileSync(`${before}.tmp`, readEnd(before, Math.min(this.#maxBytes, cutBytes)), { mode: 0o600 })
    )
    if (isCut) renameSync(`${before}.tmp`, before)
    else rmSync(`${before}.tmp`, { force: true, recursive: true })
  }
}
