import { uniqueId } from '../api.js'
import { afterEvent, nothingKnown, type Cluster } from '../model/cluster.js'
import type { DomainEvent } from '../model/types.js'
import type { Link, ToTab } from './messages.js'
import { openPort, type Port } from './port.js'
import { showPresence } from './presence.js'

type Listener = () => void

/** The shortest time between two pictures, in milliseconds. */
const drawMs = 25
/** A hub that says nothing for so long is gone, or the machine has slept: it tells something every two seconds. */
const silentMs = 10_000
const silent: Link = { state: 'lost', reason: 'nothing is heard of the controller' }

/** The cluster as a tab knows it, which follows from what the hub tells. */
export class Stream {
  cluster: Cluster = nothingKnown
  /** Until when all is known; milliseconds since 1970, 0 while nothing is. */
  asOf = 0
  /** What the hub has said of the connection last. */
  #link: Link = { state: 'connecting' }
  #tab = uniqueId()
  #port: Port
  #listeners = new Set<Listener>()
  #eventListeners = new Set<(events: readonly DomainEvent[]) => void>()
  #isDrawing = false
  #drawnAt = 0
  #heardAt = performance.now()
  #watchers = 0
  #wasLive = false

  /** `base`: the URL of the controller. */
  constructor(base: string) {
    this.#port = openPort(this.#tab, base, message => this.#hear(message))
    const join = async () => {
      await showPresence(this.#tab)
      this.#port.send({ kind: 'join', tab: this.#tab })
    }
    void join()
    window.addEventListener('pagehide', () => this.#port.send({ kind: 'leave', tab: this.#tab }))
    window.addEventListener('pageshow', ({ persisted }) => {
      if (persisted) void join()
    })
    window.addEventListener('online', () => this.look(true))
    window.addEventListener('offline', () => this.look(true))
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.look()
    })
    setInterval(() => this.#check(), 1000)
  }

  /** Calls `listener` before a picture is drawn, if something has changed. Returns what ends that. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls `listener` with the events that come, in order. Returns what ends that. */
  onEvents(listener: (events: readonly DomainEvent[]) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** Has the connection looked after now. `doubt`: it may be dead. */
  look(doubt = false): void {
    this.#port.send({ kind: 'look', tab: this.#tab, doubt })
  }

  /** Has statistics on the stream until the function that it returns is called. */
  watchStats(): () => void {
    const tell = () => this.#port.send({ kind: 'watch', tab: this.#tab, wanted: this.#watchers > 0 })
    if (++this.#watchers === 1) tell()
    return () => {
      if (--this.#watchers === 0) tell()
    }
  }

  /** How the connection is; the same object while that does not change. */
  get link(): Link {
    const isSilent = this.#link.state === 'live' && performance.now() - this.#heardAt >= silentMs
    return isSilent ? silent : this.#link
  }

  /** Whether what is shown is what is so now. */
  get isLive(): boolean {
    return this.link.state === 'live'
  }

  #hear(message: ToTab): void {
    this.#heardAt = performance.now()
    this.asOf = message.asOf
    switch (message.kind) {
      case 'cluster':
        this.cluster = message.cluster
        this.#link = message.link
        break
      case 'link':
        this.#link = message.link
        break
      case 'events':
        this.cluster = message.events.reduce(afterEvent, this.cluster)
        for (const listener of this.#eventListeners) listener(message.events)
        break
      case 'pulse':
    }
    this.#draw()
  }

  /** Notices that the hub has fallen silent: then nothing else has anything drawn. */
  #check(): void {
    if (this.isLive === this.#wasLive) return
    this.#wasLive = this.isLive
    if (this.link === silent) this.look()
    this.#draw()
  }

  /**
   * Draws what has changed: at once after a pause, and at most so many times a second, which leaves time for the rest.
   */
  #draw(): void {
    if (this.#isDrawing) return
    this.#isDrawing = true
    setTimeout(
      () =>
        requestAnimationFrame(() => {
          this.#isDrawing = false
          this.#drawnAt = performance.now()
          for (const listener of [...this.#listeners]) listener()
        }),
      this.#drawnAt + drawMs - performance.now()
    )
  }
}
