import { open, truncate } from 'node:fs/promises'

const chunkBytes = 256 * 1024

/** Reads what another process appends to a file: each line once, when it is whole. */
export class LineReader {
  readonly path: string
  #maxLineBytes: number
  #position = 0
  /** Of a line that is not whole yet; undefined when it is too long already, and to be passed over. */
  #begun: Buffer[] | undefined = []
  #begunBytes = 0

  /** Longer lines are passed over. */
  constructor(path: string, maxLineBytes: number) {
    this.path = path
    this.#maxLineBytes = maxLineBytes
  }

  /** How much of the file was read. */
  get position(): number {
    return this.#position
  }

  /**
   * The lines that have come since the last time, without those that are empty. A file that is gone has none; one that
   * is
   * shorter than what was read of it was begun anew.
   */
  async *next(): AsyncGenerator<string> {
    const file = await open(this.path, 'r').catch(() => undefined)
    if (!file) return
    try {
      if ((await file.stat()).size < this.#position) this.#beginAnew()
      const buffer = Buffer.alloc(chunkBytes)
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, chunkBytes, this.#position)
        if (bytesRead === 0) return
        this.#position += bytesRead
        yield* this.#linesOf(buffer.subarray(0, bytesRead))
      }
    } finally {
      await file.close()
    }
  }

  /** Empties the file, all of which was read. What is appended at this very moment is lost. */
  async empty(): Promise<void> {
    await truncate(this.path).catch(() => {})
    this.#beginAnew()
  }

  #beginAnew(): void {
    this.#position = 0
    this.#begun = []
    this.#begunBytes = 0
  }

  *#linesOf(chunk: Buffer): Generator<string> {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = this.#begun && Buffer.concat([...this.#begun, chunk.subarray(start, end)])
      this.#begun = []
      this.#begunBytes = 0
      start = end + 1
      if (line && line.length > 0) yield line.toString()
    }
    this.#begunBytes += chunk.length - start
    // The chunk's memory is used again.
    if (this.#begunBytes <= this.#maxLineBytes) this.#begun?.push(Buffer.from(chunk.subarray(start)))
    else this.#begun = undefined
  }
}
