import type { ControlEvent, LoggedEvent } from '../../schemas/events.js'
import type { Filter } from './filter.js'
import type { Format } from './frame.js'
import { chunkOf } from './sink.js'

/** Events of the log after a place. */
export interface Passage {
  events: readonly LoggedEvent[]
  /** Number of the last event that was read, or passed over. */
  upTo: number
  /** Whether there were no more events at the time of reading. */
  isHead: boolean
  /** Whether some events after the place are no longer kept. */
  isGap: boolean
}

/** What is sent to all followers at a place. */
export interface Batch extends Omit<Passage, 'events'> {
  /** Number of events in the chunk; 0 where none matches the filter. */
  count: number
  chunk?: Buffer | undefined
  /** Whether the stream ends after this batch. */
  isLast: boolean
}

export interface ViewOptions {
  filter: Filter
  format: Format
  /** Returns true for the event after which a stream ends. */
  isLast?: ((event: LoggedEvent) => boolean) | undefined
  read: (seq: number) => Passage
  cursorOf: (seq: number) => string
  /** Called when the view holds a batch that it must forget. */
  onShared: (view: View) => void
}

/** Maximum number of batches kept for followers that are behind, and of bytes in each. */
const pagesMax = 64
const pageBytes = 131_072

/** The log seen through one filter, in one format. Followers at the same place share what is read and encoded. */
export class View {
  readonly key: string
  /** Number of followers. */
  followers = 0
  #options: ViewOptions
  /** Batches by place, valid until there are more events. */
  #batches = new Map<number, Batch>()
  /**
   * Batches that stay valid, by cursor: thousands of clients that reconnect at once come to a place one after the
   * other.
   */
  #pages = new Map<string, Batch>()
  #basis: unknown
  #heartbeat?: { seq: number; now: number; chunk: Buffer }

  /** Returns a key that is equal for views that show the same. */
  static keyOf({ filter, format, isLast }: Pick<ViewOptions, 'filter' | 'format' | 'isLast'>): string {
    return `${format.name} ${isLast !== undefined} ${filter.key}`
  }

  constructor(options: ViewOptions) {
    this.key = View.keyOf(options)
    this.#options = options
  }

  /**
   * Returns the batch after a place; where there is nothing, its `upTo` is the place itself. Throws what reading
   * throws.
   */
  after(seq: number): Batch {
    if (this.followers < 2) return this.#makeBatch(seq)
    this.#keepUp()
    const known = this.#batches.get(seq) ?? this.#pages.get(this.#options.cursorOf(seq))
    if (known) return known
    const batch = this.#makeBatch(seq)
    // More events may come in this turn.
    if (batch.upTo === seq) return batch
    if (!batch.isHead && !batch.isGap && (batch.chunk?.length ?? 0) <= pageBytes) this.#keep(seq, batch)
    else if (this.#batches.set(seq, batch).size === 1) this.#options.onShared(this)
    return batch
  }

  /** Forgets what was encoded when the lens did not show what it shows now. */
  #keepUp(): void {
    const basis = this.#options.filter.lens?.basis
    if (basis === this.#basis) return
    this.#basis = basis
    this.forget()
    this.tidy()
  }

  /** Keeps the most recent batches. */
  #keep(seq: number, batch: Batch): void {
    this.#pages.set(this.#options.cursorOf(seq), batch)
    if (this.#pages.size > pagesMax) this.#pages.delete(this.#pages.keys().next().value!)
  }

  /** Forgets batches after which more events may have come. */
  forget(): void {
    this.#batches.clear()
  }

  /** Drops the kept batches: they need not be kept for long, since they are made again on demand. */
  tidy(): void {
    this.#pages.clear()
  }

  /** Returns a heartbeat: everything up to a place was delivered. */
  heartbeat(seq: number, now: number): Buffer {
    if (this.#heartbeat?.seq !== seq || this.#heartbeat.now !== now) {
      this.#heartbeat = {
        seq,
        now,
        chunk: this.control({
          type: 'heartbeat',
          cursor: this.#options.cursorOf(seq),
          time: new Date(now).toISOString()
        })
      }
    }
    return this.#heartbeat.chunk
  }

  control(event: ControlEvent): Buffer {
    return chunkOf(this.#options.format.control(event))
  }

  /** Returns the beginning of a stream. */
  greeting(events: readonly ControlEvent[]): Buffer {
    return chunkOf(events.map(this.#options.format.control).join(''))
  }

  #makeBatch(seq: number): Batch {
    const { filter, format, isLast, read, cursorOf } = this.#options
    const { events, upTo, isHead, isGap } = read(seq)
    if (events.length === 0) return { upTo, isHead, isGap, count: 0, isLast: false }
    const wanted = events.filter(event => filter.matches(event))
    const last = isLast ? wanted.findIndex(isLast) : -1
    if (last >= 0) wanted.length = last + 1
    const seen = filter.lens ? wanted.flatMap(event => filter.see(event) ?? []) : wanted
    const chunk =
      seen.length > 0 ? chunkOf(seen.map(event => format.event(event, cursorOf(event.seq))).join('')) : undefined
    return { upTo, isHead, isGap, count: seen.length, isLast: last >= 0, chunk }
  }
}
