import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Line, Told } from '../chaos/lines.js'
import { Run } from '../chaos/run.js'

/** A run whose lines go to a file, so that whoever watches for leaks has none. */
export class FileRun extends Run {
  readonly path: string
  readonly #file: ReturnType<typeof createWriteStream>

  constructor(path: string) {
    super()
    this.path = path
    this.#file = createWriteStream(path)
  }

  protected override keep(line: Line): void {
    this.#file.write(`${JSON.stringify(line)}\n`)
  }

  /** Nothing is written down any more. */
  async end(): Promise<void> {
    this.#file.end()
    await once(this.#file, 'close')
  }
}

/** Reads a history. What many clients saw of one event is one object: a long history fits into memory. */
export async function readHistory(path: string): Promise<Line[]> {
  const events = new Map<string, Told>()
  const lines: Line[] = []
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const line: Line = JSON.parse(text)
    if (line.kind === 'event') {
      const key = JSON.stringify(line.event)
      const known = events.get(key)
      if (known) line.event = known
      else events.set(key, line.event)
    }
    lines.push(line)
  }
  return lines
}
