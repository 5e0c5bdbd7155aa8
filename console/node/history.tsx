import { useState } from 'preact/hooks'
import { useNow } from '../context.js'
import { dayAndClock, exact, plain, span } from '../model/format.js'
import { toneOf } from '../model/states.js'
import { sharesOf, spanFor, spans, staysOf, type Change, type Stay } from '../model/timeline.js'
import type { Node } from '../model/types.js'
import { usePastEvents } from '../parts/past-events.js'
import { StateMark } from '../parts/state-mark.js'
import { Time } from '../parts/time.js'

const shownFirst = 8

/** The states of a node over time: a bar, and below it each change. */
export function StateHistory({ name, node }: { name: string; node: Node | undefined }) {
  const past = usePastEvents({ types: ['notify_change'], node: name })
  const changes = past.events as readonly Change[]
  const [isAll, setAll] = useState(false)
  const shown = isAll ? changes : changes.slice(0, shownFirst)
  return (
    <section aria-labelledby="history">
      <h2 id="history">State over time</h2>
      {(changes.length > 0 || node?.since !== undefined) && <Bar changes={changes} node={node} />}
      {past.failure !== undefined && (
        <p role="alert" class="notice bad">
          What has happened before is not known: {plain(past.failure)}
        </p>
      )}
      {past.isThere && changes.length === 0 && <p class="aside">No change that is kept.</p>}
      {!past.isThere && past.failure === undefined && <p aria-busy="true">Reading what has happened…</p>}
      <ol class="events changes" aria-label={`Changes of ${name}, newest first`}>
        {shown.map((change, index) => (
          <ChangeLine key={change.cursor} change={change} next={changes[index - 1]} />
        ))}
      </ol>
      <p class="buttons">
        {!isAll && changes.length > shownFirst && (
          <button type="button" onClick={() => setAll(true)}>
            Show all {changes.length}
          </button>
        )}
        {(isAll || changes.length <= shownFirst) && past.next !== undefined && (
          <button
            type="button"
            disabled={past.isBusy}
            onClick={() => {
              setAll(true)
              past.more()
            }}
          >
            Look further back
          </button>
        )}
      </p>
    </section>
  )
}

function ChangeLine({ change, next }: { change: Change; next: Change | undefined }) {
  const { time, old_state: before, new_state: after, reason } = change
  return (
    <li class="event">
      <Time at={time} form="day" />{' '}
      <span class="state">
        {before} → <StateMark tone={toneOf(after)} /> {after}
      </span>{' '}
      <span class="text">
        {plain(reason)}
        {next && <span class="aside"> for {duration(Date.parse(next.time) - Date.parse(time))}</span>}
      </span>
    </li>
  )
}

const duration = (ms: number) => (ms < 1000 ? `${Math.max(0, ms)} ms` : span(ms / 1000))

function Bar({ changes, node }: { changes: readonly Change[]; node: Node | undefined }) {
  const now = useNow(5000)
  const [chosen, setChosen] = useState<number>()
  const ms = chosen ?? spanFor(changes, now)
  const range = { from: now - ms, to: now }
  const stays = staysOf(changes, node, range)
  const { name } = spans.find(one => one.ms === ms)!
  return (
    <figure class="timeline">
      <figcaption>
        <label>
          The last{' '}
          <select value={ms} onChange={event => setChosen(Number(event.currentTarget.value))}>
            {spans.map(one => (
              <option key={one.ms} value={one.ms}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        <span class="aside">{sharesOf(stays)}</span>
      </figcaption>
      <svg
        role="img"
        aria-label={`States in the last ${name}: ${sharesOf(stays) || 'not known'}. Each change is in the list below.`}
      >
        <defs>
          <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="6" height="6" class="ground" />
            <rect width="3" height="6" class="stripe" />
          </pattern>
        </defs>
        <rect class="unknown" width="100%" height="100%" />
        {stays.map(stay => (
          <StayRect key={stay.from} stay={stay} {...range} />
        ))}
      </svg>
      <div class="ends" aria-hidden="true">
        <span>{dayAndClock(range.from).slice(0, 16)}</span>
        <span>now</span>
      </div>
    </figure>
  )
}

/** Each tone has a height or pattern of its own, so that colours are not needed. */
const heights = { good: 100, busy: 60, bad: 100, quiet: 25, doubt: 60 } as const

function StayRect({ stay, from, to }: { stay: Stay; from: number; to: number }) {
  const tone = toneOf(stay.state)
  const height = heights[tone]
  const share = (ms: number) => `${((100 * ms) / (to - from)).toFixed(3)}%`
  return (
    <rect
      class={`stay ${tone}`}
      x={share(stay.from - from)}
      width={share(stay.to - stay.from)}
      y={`${100 - height}%`}
      height={`${height}%`}
    >
      <title>
        {stay.state} from {exact(stay.from)} for {duration(stay.to - stay.from)}
        {stay.reason === '' ? '' : `: ${plain(stay.reason)}`}
      </title>
    </rect>
  )
}
