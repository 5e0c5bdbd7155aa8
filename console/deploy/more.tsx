import { useState, type StateUpdater, type Dispatch } from 'preact/hooks'

/** Returns how many of many are shown, and what shows more: so many at a time are drawn before anybody notices. */
export function useMore(step: number): { shown: number; setShown: Dispatch<StateUpdater<number>> } {
  const [shown, setShown] = useState(step)
  return { shown, setShown }
}

/** Shows more of what there is. */
export function More({
  total,
  step,
  what,
  shown,
  setShown
}: ReturnType<typeof useMore> & { total: number; step: number; what: string }) {
  if (total <= shown) return null
  return (
    <p class="buttons">
      <button type="button" onClick={() => setShown(shown + step)}>
        Show {Math.min(step, total - shown)} more
      </button>
      <span class="aside">
        {shown} of {total} {what} are shown.
      </span>
    </p>
  )
}
