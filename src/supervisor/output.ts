import { closeSync, copyFileSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

const streams = ['stdout', 'stderr'] as const

/** What of an output is shown: this many lines from its end, and no more than this many bytes. */
export const tailLines = 100
export const tailBytes = 64 * 1024

function sizeOf (path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** The files that a program's stdout and stderr go to. The previous ones are kept beside them, as `<name>.1`. */
export class Output {
  #directory: string
  #maxBytes: number
  /** Where the output of this run starts. */
  #start = { stdout: 0, stderr: 0 }

  constructor (directory: string, maxBytes: number) {
    this.#directory = directory
    this.#maxBytes = maxBytes
  }

  /** Opens both for appending, for a new run. The caller closes them. */
  open (): [number, number] {
    mkdirSync(this.#directory, { recursive: true })
    return streams.map(name => {
      const path = join(this.#directory, name)
      if (sizeOf(path) >= this.#maxBytes) renameSync(path, `${path}.1`)
      const file = openSync(path, 'a', 0o640)
      this.#start[name] = fstatSync(file).size
      return file
    }) as [number, number]
  }

  /**
   * Keeps the files of a running program in bounds. It holds them open, so they are copied and emptied: what it
   * writes in between is lost.
   */
  rotate (): void {
    for (const name of streams) {
      const path = join(this.#directory, name)
      if (sizeOf(path) < this.#maxBytes) continue
      copyFileSync(path, `${path}.1`)
      truncateSync(path)
      this.#start[name] = 0
    }
  }

  /** The last lines that this run has written. */
  tail (): { stdout: string, stderr: string } {
    return { stdout: this.#tail('stdout'), stderr: this.#tail('stderr') }
  }

  #tail (name: 'stdout' | 'stderr'): string {
    const path = join(this.#directory, name)
    const end = sizeOf(path)
    const from = Math.max(end - tailBytes, this.#start[name] <= end ? this.#start[name] : 0)
    if (end <= from) return ''
    const file = openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(end - from)
      const text = buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, from))
      return text.split('\n').slice(text.endsWith('\n') ? -tailLines - 1 : -tailLines).join('\n').trimEnd()
    } finally {
      closeSync(file)
    }
  }
}
