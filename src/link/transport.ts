/**
 * Listener of a transport. `message` is called at most once for each text that arrives, `closed` exactly once and last.
 */
export interface Receiver {
  message(text: string): void
  closed(reason: string): void
}

/** A channel of texts, in order, both ways. All that a link knows of a socket or a pipe. */
export interface Transport {
  /** Never throws; what is sent on a closed transport is lost. */
  send(text: string): void
  /** Ends the channel once what was sent before has left. Safe to call twice. Resolves when it has. */
  close(reason: string): Promise<void>
  /** Sets the receiver. Must be called once, soon: what arrives earlier waits for it. */
  receive(receiver: Receiver): void
}

class MemoryTransport implements Transport {
  peer: MemoryTransport | undefined
  receiver: Receiver | undefined

  send(text: string): void {
    setImmediate(() => this.peer?.receiver?.message(text))
  }

  async close(reason: string): Promise<void> {
    for (const end of [this, this.peer]) setImmediate(() => end?.end(reason))
  }

  receive(receiver: Receiver): void {
    this.receiver = receiver
  }

  end(reason: string): void {
    const { receiver } = this
    this.receiver = undefined
    receiver?.closed(reason)
  }
}

/** Returns two connected ends in one process. */
export function memoryPair(): [Transport, Transport] {
  const a = new MemoryTransport()
  const b = new MemoryTransport()
  a.peer = b
  b.peer = a
  return [a, b]
}
