import type { ComponentChildren } from 'preact'
import type { Paged } from './pages.js'
import { Ago } from './time.js'

/** The end of a list: what went wrong, how old it is, and more of it. `none`: what is said where it is empty. */
export function ListFoot({
  list,
  what,
  isLive,
  none = `No ${what.toLowerCase()} that fit are kept.`
}: {
  list: Paged<unknown>
  what: string
  isLive: boolean
  none?: ComponentChildren
}) {
  const { items, readAt, hasMore, isBusy, failure, more, again } = list
  return (
    <div class="list-foot" aria-busy={isBusy}>
      {failure !== undefined && (
        <p role="alert" class="notice bad">
          {what} could not be read: {failure}
        </p>
      )}
      {!isBusy && failure === undefined && items.length === 0 && <p>{none}</p>}
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
