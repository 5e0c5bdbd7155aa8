import { baseUrl } from '../context.js'
import { amountOf, type Feed, type FeedChange } from '../model/intel.js'
import { Of, SetList } from '../parts/set-list.js'

/** The feeds that are set, each with its file, and with what changes it. */
export function FeedList({ feeds, onAsk }: { feeds: readonly Feed[]; onAsk: (change: FeedChange) => void }) {
  return (
    <SetList
      name="Feeds that are set"
      items={feeds}
      valueOf={amountOf}
      buttonsOf={({ name }) => (
        <>
          <button type="button" onClick={() => onAsk({ type: 'set_intel', name })}>
            Replace…
            <Of name={name} />
          </button>
          <a href={`${baseUrl}v1/intel/${encodeURIComponent(name)}`} download={`${name}.intel`}>
            Download
            <Of name={name} />
          </a>
          <button type="button" onClick={() => onAsk({ type: 'unset_intel', name })}>
            Unset…
            <Of name={name} />
          </button>
        </>
      )}
    />
  )
}
