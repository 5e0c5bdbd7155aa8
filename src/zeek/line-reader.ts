import { open, truncate } from 'node:fs/promises'

const chunkBytes = 256 * 1024

/** Reads what another process appends to a file: each line once, when it is complete. */
export class LineReader {
  readonly path: string
  #maxLineBytes: number
  #position = 0
  /** The parts of an incomplete line; undefined when it is already too long, and will be skipped. */
  #begun: Buffer[] | undefined = []
  #begunBytes = 0

  /** Longer lines are skipped. */
  constructor(path: string, maxLineBytes: number) {
    this.path = path
    this.#maxLineBytes = maxLineBytes
  }

  /** How much of the file was read, in bytes. */
  get position(): number {
    return this.#position
  }

  /**
   * Yields the lines that were appended since the last call, without empty ones. A file that is gone has none; one that
   * is shorter than what was read of it has been started anew, and is read from its beginning.
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
    // The memory of the chunk is reused.
    if (this.#begunBytes <= this.#maxLineBytes) this.#begun?.push(Buffer.from(chunk.subarray(start)))
    else this.#begun = undefined
  }
}
