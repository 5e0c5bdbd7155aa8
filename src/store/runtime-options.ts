import type { RuntimeOption } from '../../schemas/runtime-options.js'
import { NamedTable } from './named-table.js'
import type { Store } from './store.js'

/** An option that is set while nodes run, as it is stored. */
export interface StoredOption extends RuntimeOption {
  set_at: number
  /** The request that has set it. */
  reqid: string
}

/** Returns the table of the options that are set while nodes run. */
export const runtimeOptionTable = (store: Store): NamedTable<StoredOption> =>
  new NamedTable(store, 'runtime_options', ['name', 'value', 'set_at', 'reqid'])
