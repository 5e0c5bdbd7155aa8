import type { Paged } from './pages.js'
import { Ago } from './time.js'

/** The end of a list: what went wrong, how old it is, and more of it. */
export function ListFoot({ list, what, isLive }: { list: Paged<unknown>; what: string; isLive: boolean }) {
  const { items, readAt, hasMore, isBusy, failure, more, again } = list
  return (
    <div class="list-foot" aria-busy={isBusy}>
      {failure !== undefined && (
        <p role="alert" class="notice bad">
          {what} could not be read: {failure}
        </p>
      )}
      {!isBusy && failure === undefined && items.length === 0 && <p>No {what.toLowerCase()} that fit are kept.</p>}
      <p class="buttons">
        {hasMore && (
          <button type="button" onClick={more} disabled={isBusy}>
            Older
          </button>
        )}
        <button type="button" onClick={again} disabled={isBusy}>
          Read again
        </button>
        {readAt > 0 && !isLive && (
          <span class="aside">
            Read <Ago at={readAt} />
          </span>
        )}
      </p>
    </div>
  )
}
