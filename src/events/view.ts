import type { ControlEvent, LoggedEvent } from '../../schemas/events.js'
import type { Filter } from './filter.js'
import type { Format } from './frame.js'
import { chunkOf } from './sink.js'

/** What of the log comes after a place. */
export interface Passage {
  events: readonly LoggedEvent[]
  /** How far that has looked. */
  upTo: number
  /** There was no more when it looked. */
  isHead: boolean
  /** Some of what comes after the place is no longer kept. */
  isGap: boolean
}

/** What is sent to those who stand at a place. */
export interface Batch extends Omit<Passage, 'events'> {
  /** How many events are in the chunk; none where none fits the filter. */
  count: number
  chunk?: Buffer | undefined
  /** The stream ends after it. */
  isLast: boolean
}

export interface ViewOptions {
  filter: Filter
  format: Format
  /** The event after which a stream ends. */
  isLast?: ((event: LoggedEvent) => boolean) | undefined
  read: (seq: number) => Passage
  cursorOf: (seq: number) => string
  /** It has something to forget. */
  onShared: (view: View) => void
}

/** How many batches are kept for those who are behind, of how many bytes at the most. */
const pagesMax = 64
const pageBytes = 131_072

/**
 * The log as it looks through one filter, in one format. Followers who stand at the same place share what is read and
 * encoded.
 */
export class View {
  readonly key: string
  /** How many follow it. */
  followers = 0
  #options: ViewOptions
  /** By place, until more comes. */
  #batches = new Map<number, Batch>()
  /**
   * Those to which nothing can come, by cursor: thousands who come back at once come to a place one after the other.
   */
  #pages = new Map<string, Batch>()
  #heartbeat?: { seq: number; now: number; chunk: Buffer }

  /** The same for views in which the same is seen. */
  static keyOf({ filter, format, isLast }: Pick<ViewOptions, 'filter' | 'format' | 'isLast'>): string {
    return `${format.name} ${isLast !== undefined} ${filter.key}`
  }

  constructor(options: ViewOptions) {
    this.key = View.keyOf(options)
    this.#options = options
  }

  /** What comes after a place, whose `upTo` is the place itself where nothing does. Throws what reading throws. */
  after(seq: number): Batch {
    if (this.followers < 2) return this.#makeBatch(seq)
    const known = this.#batches.get(seq) ?? this.#pages.get(this.#options.cursorOf(seq))
    if (known) return known
    const batch = this.#makeBatch(seq)
    // More may come in this turn.
    if (batch.upTo === seq) return batch
    if (!batch.isHead && !batch.isGap && (batch.chunk?.length ?? 0) <= pageBytes) this.#keep(seq, batch)
    else if (this.#batches.set(seq, batch).size === 1) this.#options.onShared(this)
    return batch
  }

  /** Those that were made last. */
  #keep(seq: number, batch: Batch): void {
    this.#pages.set(this.#options.cursorOf(seq), batch)
    if (this.#pages.size > pagesMax) this.#pages.delete(this.#pages.keys().next().value!)
  }

  /** More may have come. */
  forget(): void {
    this.#batches.clear()
  }

  /** Nothing need be kept for long: what is asked for again is made again. */
  tidy(): void {
    this.#pages.clear()
  }

  /** Says that everything up to a place was delivered. */
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

  /** How a stream begins. */
  greeting(events: readonly ControlEvent[]): Buffer {
    const { format } = this.#options
    return chunkOf(format.beginning() + events.map(format.control).join(''))
  }

  #makeBatch(seq: number): Batch {
    const { filter, format, isLast, read, cursorOf } = this.#options
    const { events, upTo, isHead, isGap } = read(seq)
    if (events.length === 0) return { upTo, isHead, isGap, count: 0, isLast: false }
    const wanted = events.filter(event => filter.matches(event))
    const last = isLast ? wanted.findIndex(isLast) : -1
    if (last >= 0) wanted.length = last + 1
    const chunk =
      wanted.length > 0 ? chunkOf(wanted.map(event => format.event(event, cursorOf(event.seq))).join('')) : undefined
    return { upTo, isHead, isGap, count: wanted.length, isLast: last >= 0, chunk }
  }
}
