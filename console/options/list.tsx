import { plain } from '../model/format.js'
import { shortValue, type OptionChange, type SetOption } from '../model/options.js'
import { Of, SetList } from '../parts/set-list.js'

/** The options that are set, each with what changes it. */
export function OptionList({
  options,
  onAsk
}: {
  options: readonly SetOption[]
  onAsk: (change: OptionChange) => void
}) {
  return (
    <SetList
      name="Options that are set"
      items={options}
      valueOf={({ value }) => <Value value={value} />}
      buttonsOf={({ name, value }) => (
        <>
          <button type="button" onClick={() => onAsk({ type: 'set_option', name, value })}>
            Change…
            <Of name={name} />
          </button>
          <button type="button" onClick={() => onAsk({ type: 'unset_option', name })}>
            Unset…
            <Of name={name} />
          </button>
        </>
      )}
    />
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
