import type { Read } from '../store/reads.js'
import type { EventJournal } from './journal.js'

/** How many reads are written together at most, and how long their texts may be, but for that of the last one. */
const batchMax = 128
const batchLength = 262_144

/** Reads that will be written together, until `places` resolves with the place of each. */
interface Batch {
  reads: Read[]
  lines: string[]
  length: number
  isClosed: boolean
  places: Promise<readonly number[]>
}

/**
 * Writes requests down that only read and were answered at once: those of one turn of the event loop together, or of
 * some milliseconds, where nobody waits for it.
 */
export class Reads {
  #journal: EventJournal
  /** What can still be added to, by whether somebody waits for it. */
  #batches = new Map<boolean, Batch>()

  constructor(journal: EventJournal) {
    this.#journal = journal
  }

  /**
   * Adds a read. `places` resolves with the places of those that it is written with, in `place` its own (the number of
   * the event before its first one), once all are committed and announced: as soon as what else is committed with them.
   */
  add(read: Read, { unhurried }: { unhurried: boolean }): { places: Promise<readonly number[]>; place: number } {
    const batch = this.#batch(unhurried)
    const line = JSON.stringify(read)
    batch.lines.push(line)
    batch.length += line.length
    return { places: batch.places, place: batch.reads.push(read) - 1 }
  }

  #batch(unhurried: boolean): Batch {
    const open = this.#batches.get(unhurried)
    if (open && !open.isClosed && open.reads.length < batchMax && open.length < batchLength) return open
    const batch: Omit<Batch, 'places'> = { reads: [], lines: [], length: 0, isClosed: false }
    const places = this.#journal.write(
      'written',
      true,
      (_append, _record, appendReads) => {
        batch.isClosed = true
        return appendReads(batch)
      },
      { unhurried }
    )
    // What the store refuses is not tried again: those who come later may have better luck.
    places.catch(() => {
      batch.isClosed = true
    })
    const added = Object.assign(batch, { places })
    this.#batches.set(unhurried, added)
    return added
  }
}
