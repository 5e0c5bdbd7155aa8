import { join } from 'node:path'
import { EventLog, type StoredEvent } from '../src/store/events.js'
import { Store } from '../src/store/store.js'

/** Everything in the log that a controller has left, in order. */
export function * eventsIn (directory: string): Generator<StoredEvent> {
  const store = new Store(join(directory, 'controller.sqlite'))
  try {
    const log = new EventLog(store)
    let seq = 0
    for (;;) {
      const events = log.after(seq, 10_000)
      if (events.length === 0) return
      yield * events
      seq = events.at(-1)!.seq
    }
  } finally {
    store.close()
  }
}
