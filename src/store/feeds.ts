import type { Feed } from '../../schemas/intel.js'
import { NamedTable } from './named-table.js'
import type { Store } from './store.js'

/** A feed of intelligence that is set while nodes run, as it is stored. */
export interface StoredFeed extends Feed {
  /** How many indicators the manager has read of it. */
  indicators: number
  set_at: number
  /** The request that has set it. */
  reqid: string
}

/** Returns the table of the feeds of intelligence that are set while nodes run. */
export const feedTable = (store: Store): NamedTable<StoredFeed> =>
  new NamedTable(store, 'intel_feeds', ['name', 'bundle', 'indicators', 'set_at', 'reqid'])
