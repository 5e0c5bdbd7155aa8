import type { ServerResponse } from 'node:http'

/** The destination of a stream. It accepts chunks of HTTP/1.1, so that each is framed once for all who receive it. */
export interface Sink {
  /** Accepts a chunk. Returns false when there is no room for another one until `drain`. */
  write(chunk: Buffer): boolean
  end(): void
  destroy(): void
  on(event: 'drain' | 'close', listener: () => void): unknown
}

/** Returns a text as a chunk. It must not be empty: an empty chunk is the end. */
export function chunkOf(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
}

/** Returns the content of a chunk. */
export function contentOf(chunk: Buffer): Buffer {
  return chunk.subarray(chunk.indexOf('\n') + 1, -2)
}

/**
 * A response whose head was flushed. Writing through Node's response costs half as much again as the system call, so
 * chunks go straight to the socket, provided that the response would write the same bytes and nothing is queued before
 * them.
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
    // No socket: an earlier request of the connection is still unanswered. Not chunked: HTTP/1.0.
    const isDirect = socket !== null && response.chunkedEncoding && response.writableLength === socket.writableLength
    const to = isDirect ? socket : response
    // If the kernel has accepted everything at once there is room, however much it was.
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
