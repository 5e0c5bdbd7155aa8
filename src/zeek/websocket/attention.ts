export interface AttentionLimits {
  /** A client that has not subscribed by then is cut off. */
  handshakeMs: number
  /** A client that has said nothing for so long is cut off; 0: never. What answers our pings does not count. */
  idleMs: number
  /** A client that is silent for so long is sent a ping, and cut off when it is silent for as long again. */
  pingMs: number
}

/** What is asked about a client, and done with it. */
export interface Attended {
  /** Returns whether it waits for an answer of ours. */
  isWaiting: () => boolean
  /** Returns whether there is something that it has not read yet. */
  hasUnread: () => boolean
  ping: () => void
  cutOff: (reason: string) => void
}

/** Whether a client of the WebSocket API subscribes in time, then says something now and then, and is still there. */
export class Attention {
  #limits: AttentionLimits
  #client: Attended
  /** Ends the handshake; from then on, the silence. */
  #patience: NodeJS.Timeout
  #isSubscribed = false
  #pinging: NodeJS.Timeout
  /** Whether nothing has come since the last ping. */
  #isPinged = false

  constructor(limits: AttentionLimits, client: Attended) {
    this.#limits = limits
    this.#client = client
    const { handshakeMs, pingMs } = limits
    const late = `it has not subscribed within ${handshakeMs / 1000} s`
    this.#patience = setTimeout(() => client.cutOff(late), handshakeMs).unref()
    this.#pinging = setInterval(() => this.#ping(), pingMs).unref()
  }

  /** The client has subscribed. */
  subscribed(): void {
    this.#isSubscribed = true
    this.#awaitSilence()
  }

  /** The client has said something by itself. */
  heard(): void {
    this.answered()
    if (this.#isSubscribed) this.#patience.refresh()
  }

  /** The client has answered a ping: it is there, but nobody may be listening. */
  answered(): void {
    this.#isPinged = false
    this.#pinging.refresh()
  }

  stop(): void {
    clearTimeout(this.#patience)
    clearInterval(this.#pinging)
  }

  #awaitSilence(): void {
    clearTimeout(this.#patience)
    const { idleMs } = this.#limits
    if (idleMs > 0) this.#patience = setTimeout(() => this.#endSilence(), idleMs).unref()
  }

  #endSilence(): void {
    if (this.#client.isWaiting()) this.#awaitSilence()
    else this.#client.cutOff(`it has said nothing for ${this.#limits.idleMs / 1000} s`)
  }

  /**
   * Asks whether the client is still there. Not one that waits for an answer: zeek-client restarts its timeout with
   * every frame. Nor one that has something else to read before it gets to the ping.
   */
  #ping(): void {
    if (this.#client.isWaiting() || this.#client.hasUnread()) return
    if (this.#isPinged) return this.#client.cutOff('it does not answer pings')
    this.#isPinged = true
    this.#client.ping()
  }
}
