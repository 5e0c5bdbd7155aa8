import { plain } from '../model/format.js'
import { shortValue, type OptionChange, type SetOption } from '../model/options.js'
import { Link } from '../parts/link.js'
import { Time } from '../parts/time.js'

/** The options that are set, each with what changes it. */
export function OptionList({
  options,
  onAsk
}: {
  options: readonly SetOption[]
  onAsk: (change: OptionChange) => void
}) {
  return (
    <ul class="options" aria-label="Options that are set">
      {options.map(({ name, value, set_at: at, reqid }) => (
        <li key={name}>
          <strong class="text">
            <code>{plain(name)}</code>
          </strong>
          <div class="value">
            <Value value={value} />
          </div>
          <span class="aside">
            <Time at={at} form="day" />, <Link href={`/requests/${reqid}`}>request</Link>
          </span>
          <span class="change-buttons">
            <button type="button" onClick={() => onAsk({ type: 'set_option', name, value })}>
              Change…<span class="visually-hidden"> {plain(name)}</span>
            </button>
            <button type="button" onClick={() => onAsk({ type: 'unset_option', name })}>
              Unset…<span class="visually-hidden"> {plain(name)}</span>
            </button>
          </span>
        </li>
      ))}
    </ul>
  )
}

/** A value; of a long one the beginning, until it is asked for. */
function Value({ value }: { value: string }) {
  if (value === '') return <span class="aside">empty</span>
  const short = shortValue(value)
  if (short === plain(value)) return <code>{short}</code>
  return (
    <details>
      <summary>
        <code>{short}</code>
      </summary>
      <code>{plain(value)}</code>
    </details>
  )
}
