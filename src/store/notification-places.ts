import type { Store } from './store.js'

/** Until where a lane of a rule has told a sink. */
export interface StoredPlace {
  rule: string
  sink: string
  lane: string
  /** The number of the last event that is told, or that was none to tell. */
  seq: number
  /** When something was last told, in milliseconds since 1970. */
  told_at: number | null
}

/** Until where in the log of events each rule has told each of its sinks. Call writing methods only in a `write`. */
export class NotificationPlaces {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  list(): StoredPlace[] {
    return this.#store.all<StoredPlace>('SELECT rule, sink, lane, seq, told_at FROM notification_places')
  }

  put({ rule, sink, lane, seq, told_at: toldAt }: StoredPlace): void {
    this.#store.run(
      `INSERT INTO notification_places (rule, sink, lane, seq, told_at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET seq = excluded.seq, told_at = excluded.told_at`,
      rule,
      sink,
      lane,
      seq,
      toldAt
    )
  }

  remove({ rule, sink, lane }: Pick<StoredPlace, 'rule' | 'sink' | 'lane'>): void {
    this.#store.run('DELETE FROM notification_places WHERE rule = ? AND sink = ? AND lane = ?', rule, sink, lane)
  }
}
