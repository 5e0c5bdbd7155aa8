import { useNow } from '../context.js'
import { ago, clockOrDay, dayAndClock, exact } from '../model/format.js'

/** A time in the viewer's zone; the exact one, with its offset, on hovering and for screen readers. */
export function Time({ at, form = 'clock' }: { at: string | number; form?: 'clock' | 'day' | 'exact' }) {
  const text = { clock: (at: string | number) => clockOrDay(at, Date.now()), day: dayAndClock, exact }[form](at)
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(at)}>
      {text}
    </time>
  )
}

/** How long ago a time was, kept up to date. */
export function Ago({ at }: { at: string | number }) {
  const now = useNow(5000)
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(at)}>
      {ago(at, now)}
    </time>
  )
}
