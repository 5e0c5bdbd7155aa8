import { useNow } from '../context.js'
import { ago, clock, exact } from '../model/format.js'

/** Says of when what is shown is, and how long ago that was. */
export function AsOf({ at }: { at: number }) {
  const now = useNow(1000)
  return (
    <span class="aside as-of">
      As of{' '}
      <time dateTime={new Date(at).toISOString()} title={exact(at)}>
        {clock(at)}
      </time>
      , {ago(at, now)}
    </span>
  )
}
