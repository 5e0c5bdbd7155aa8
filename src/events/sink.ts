import type { ServerResponse } from 'node:http'

/**
 * Where a stream is written to. What it takes are chunks of HTTP/1.1, so that each is framed once for all who get it.
 */
export interface Sink {
  /** False: it has taken the chunk, and has no room for another until `drain`. */
  write(chunk: Buffer): boolean
  end(): void
  destroy(): void
  on(event: 'drain' | 'close', listener: () => void): unknown
}

/** Of a text that is not empty: a chunk of nothing is the end. */
export function chunkOf(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
}

/** What is in a chunk. */
export function contentOf(chunk: Buffer): Buffer {
  return chunk.subarray(chunk.indexOf('\n') + 1, -2)
}

/**
 * A response whose head was flushed. Node's own way through a response costs half as much again as the system call, so
 * chunks go straight to the socket: where they are what the response would write, and nothing is before them in it.
 */
export class ResponseSink implements Sink {
  #response: ServerResponse
  #drained = () => {}

  constructor(response: ServerResponse) {
    this.#response = response
  }

  write(chunk: Buffer): boolean {
    const response = this.#response
    const { socket } = response
    // No socket: an earlier request of the connection is not answered yet. Not chunked: HTTP/1.0.
    const isDirect = socket !== null && response.chunkedEncoding && response.writableLength === socket.writableLength
    const to = isDirect ? socket : response
    // What the kernel has taken at once leaves room, however much it was.
    if (to.write(isDirect ? chunk : contentOf(chunk)) || to.writableLength === 0) return true
    to.once('drain', this.#drained)
    return false
  }

  end(): void {
    this.#response.end()
  }

  destroy(): void {
    this.#response.destroy()
  }

  on(event: 'drain' | 'close', listener: () => void): void {
    if (event === 'drain') this.#drained = listener
    else this.#response.on('close', listener)
  }
}
