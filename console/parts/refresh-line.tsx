import { plain } from '../model/format.js'
import { AsOf } from './as-of.js'
import type { Refreshed } from './refresh.js'

/** Says how old what was told is, and has it told anew. */
export function RefreshLine({ at, isBusy, failure, refresh }: Omit<Refreshed<unknown>, 'value'>) {
  return (
    <div class="refresh-line">
      {at !== undefined && <AsOf at={at} />}
      <button type="button" onClick={refresh} disabled={isBusy}>
        {isBusy ? 'Asking…' : 'Ask again'}
      </button>
      {failure !== undefined && (
        <p role="alert" class="notice bad">
          Not told anew: {plain(failure)}
        </p>
      )}
    </div>
  )
}
