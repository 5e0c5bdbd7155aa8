import { bytes, percent } from '../model/format.js'
import { toneOfUse, usedPercent } from '../model/hosts.js'

/** How much of something is used, as a bar and in words. */
export function UseBar({ size, free }: { size: number; free: number }) {
  const used = usedPercent(size, free)
  return (
    <span class="use">
      <span class={`use-bar ${toneOfUse(used)}`} aria-hidden="true">
        <span style={{ width: `${Math.min(100, used)}%` }} />
      </span>{' '}
      {percent(used)} of {bytes(size)} used
    </span>
  )
}
