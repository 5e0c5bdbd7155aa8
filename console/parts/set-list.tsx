import type { ComponentChildren } from 'preact'
import { plain } from '../model/format.js'
import { Link } from './link.js'
import { Time } from './time.js'

interface SetListProps<Item> {
  name: string
  items: readonly Item[]
  valueOf: (item: Item) => ComponentChildren
  /** Returns the buttons that change one; each ends with `Of`. */
  buttonsOf: (item: Item) => ComponentChildren
}

/** What is set while nodes run: since when, by which request, and what changes it. */
export function SetList<Item extends { name: string; set_at: string; reqid: string }>({
  name,
  items,
  valueOf,
  buttonsOf
}: SetListProps<Item>) {
  return (
    <ul class="set-list" aria-label={name}>
      {items.map(item => (
        <li key={item.name}>
          <strong class="text">
            <code>{plain(item.name)}</code>
          </strong>
          <div class="value">{valueOf(item)}</div>
          <span class="aside">
            <Time at={item.set_at} form="day" />, <Link href={`/requests/${item.reqid}`}>request</Link>
          </span>
          <span class="change-buttons">{buttonsOf(item)}</span>
        </li>
      ))}
    </ul>
  )
}

/** Says to who cannot see it which one of a list a button is of. */
export const Of = ({ name }: { name: string }) => <span class="visually-hidden"> {plain(name)}</span>
