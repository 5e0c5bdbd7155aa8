import type { Read } from '../store/reads.js'
import type { EventJournal } from './journal.js'

/** How many reads are written together at most, and how long their texts may be, unless the first one is longer. */
const batchMax = 128
const batchLength = 262_144

/** Reads that will be written together, until `places` resolves with the place of each. */
interface Batch {
  reads: Read[]
  lines: string[]
  length: number
  isWritten: boolean
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

  /** Resolves with the number of the event before its first one, once both are committed and announced. */
  async add(read: Read, { unhurried }: { unhurried: boolean }): Promise<number> {
    const batch = this.#batch(unhurried)
    const line = JSON.stringify(read)
    const index = batch.reads.push(read) - 1
    batch.lines.push(line)
    batch.length += line.length
    return (await batch.places)[index]!
  }

  #batch(unhurried: boolean): Batch {
    const open = this.#batches.get(unhurried)
    if (open && !open.isWritten && open.reads.length < batchMax && open.length < batchLength) return open
    const batch: Omit<Batch, 'places'> = { reads: [], lines: [], length: 0, isWritten: false }
    const places = this.#journal.write(
      'written',
      true,
      (_append, _record, appendReads) => {
        batch.isWritten = true
        return appendReads(batch)
      },
      { unhurried }
    )
    const added = Object.assign(batch, { places })
    this.#batches.set(unhurried, added)
    return added
  }
}
