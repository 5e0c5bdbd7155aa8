import { sentText } from '../model/format.js'

/** How much of a file is sent. Both in bytes. */
export function Sent({ sent, size }: { sent: number; size: number }) {
  return (
    <div class="sent">
      <progress value={sent} max={size} aria-label="Sent" />
      <p class="aside">{sentText(sent, size)}</p>
    </div>
  )
}
