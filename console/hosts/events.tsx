import { useState } from 'preact/hooks'
import { plain } from '../model/format.js'
import { EventLine } from '../parts/event-line.js'
import { usePastEvents } from '../parts/past-events.js'

const shownFirst = 15

/** What has happened at a host, newest first. */
export function HostEvents({ name }: { name: string }) {
  const past = usePastEvents({
    types: ['notify_change', 'notify_error', 'notify_agent_hello', 'notify_agent_lost', 'notify_log'],
    instance: name
  })
  const [isAll, setAll] = useState(false)
  const shown = isAll ? past.events : past.events.slice(0, shownFirst)
  const hasMore = shown.length < past.events.length || past.next !== undefined
  return (
    <section aria-labelledby="last">
      <h2 id="last">What happened last</h2>
      {past.failure !== undefined && (
        <p role="alert" class="notice bad">
          What has happened before is not known: {plain(past.failure)}
        </p>
      )}
      {past.isThere && past.events.length === 0 && <p>Nothing that is kept.</p>}
      {!past.isThere && past.failure === undefined && <p aria-busy="true">Reading what has happened…</p>}
      <ol class="events" aria-label={`Events of ${name}, newest first`}>
        {shown.map(event => (
          <EventLine key={event.cursor} event={event} />
        ))}
      </ol>
      {hasMore && (
        <p class="buttons">
          <button
            type="button"
            disabled={past.isBusy}
            onClick={() => {
              if (shown.length === past.events.length) past.more()
              setAll(true)
            }}
          >
            Show more
          </button>
        </p>
      )}
    </section>
  )
}
