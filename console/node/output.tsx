import type { ComponentChildren } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { useShared, useStream } from '../context.js'
import { counted, plain } from '../model/format.js'
import { linesMax, type Lines, type OutputStream } from '../model/lines.js'
import { matchesIn, stepFrom, type Match } from '../model/search.js'
import { AsOf } from '../parts/as-of.js'
import { save } from '../parts/save.js'
import { StateMark } from '../parts/state-mark.js'
import { Log } from './log.js'
import { useEarlier, useFollowed } from './output-lines.js'
import { Search } from './search.js'

/** Processes whose outputs are kept, beside the latest one. */
const earlierMax = 5

/** What a node writes, as it writes it; or what one of its earlier processes has written. */
export function NodeOutput({ name }: { name: string }) {
  const [incarnation, setIncarnation] = useState(0)
  const choice = (
    <label>
      Process
      <select value={incarnation} onChange={event => setIncarnation(Number(event.currentTarget.value))}>
        <option value={0}>latest, followed live</option>
        {Array.from({ length: earlierMax }, (_, index) => (
          <option key={index} value={index + 1}>
            {index === 0 ? 'the one before' : `${index + 1} before`}
          </option>
        ))}
      </select>
    </label>
  )
  return (
    <section aria-labelledby="output" class="node-output">
      <h2 id="output">Output</h2>
      {incarnation === 0 ? (
        <Followed name={name} choice={choice} />
      ) : (
        <Earlier key={incarnation} name={name} incarnation={incarnation} choice={choice} />
      )}
    </section>
  )
}

function Followed({ name, choice }: { name: string; choice: ComponentChildren }) {
  const { stream } = useShared()
  const isLive = useStream(stream, () => stream.isLive)
  const { lines, following, again } = useFollowed(name)
  const [paused, setPaused] = useState<Lines>()
  const news = paused ? lines.next - paused.next : 0
  const status = !isLive ? (
    <>
      <StateMark tone="doubt" /> Not live: it goes on when the controller is reached
    </>
  ) : paused ? (
    <>
      <StateMark tone="quiet" /> Paused
    </>
  ) : following.state === 'live' ? (
    <>
      <StateMark tone="good" /> Followed live
    </>
  ) : following.state === 'failed' ? (
    <>
      <StateMark tone="bad" /> Not followed: {plain(following.reason)}. Trying again.
    </>
  ) : (
    <>
      <StateMark tone="busy" /> Asking for it…
    </>
  )
  return (
    <Viewer name={name} lines={paused ?? lines} choice={choice} status={status}>
      {following.state === 'failed' && (
        <button type="button" onClick={again}>
          Try now
        </button>
      )}
      <button type="button" onClick={() => setPaused(paused ? undefined : lines)}>
        {paused ? 'Resume' : 'Pause'}
      </button>
      {paused && (
        <span class="aside">
          {news === 0
            ? 'Nothing new'
            : news > linesMax
              ? `More than ${linesMax} new lines: of those only the last are kept`
              : counted(news, 'new line')}
        </span>
      )}
    </Viewer>
  )
}

function Earlier({ name, incarnation, choice }: { name: string; incarnation: number; choice: ComponentChildren }) {
  const { lines, at, failure, again } = useEarlier(name, incarnation)
  const status =
    failure !== undefined ? (
      <>
        <StateMark tone="bad" /> {plain(failure)}
      </>
    ) : at === undefined ? (
      'Reading…'
    ) : (
      <>
        <StateMark tone="quiet" /> A process that has ended
      </>
    )
  return (
    <Viewer name={name} lines={lines} choice={choice} status={status}>
      {at !== undefined && <AsOf at={at} />}
      {failure !== undefined && (
        <button type="button" onClick={again}>
          Try now
        </button>
      )}
    </Viewer>
  )
}

interface ViewerProps {
  name: string
  lines: Lines
  choice: ComponentChildren
  status: ComponentChildren
  children: ComponentChildren
}

/** Lines with what filters, searches and saves them. */
function Viewer({ name, lines, choice, status, children }: ViewerProps) {
  const [which, setWhich] = useState<OutputStream | 'both'>('both')
  const [isWrapped, setWrapped] = useState(true)
  const [wanted, setWanted] = useState('')
  const [current, setCurrent] = useState<Match>()
  const list = useMemo(
    () => (which === 'both' ? lines.list : lines.list.filter(({ from }) => from === which || from === 'note')),
    [lines, which]
  )
  const matches = useMemo(() => matchesIn(list, wanted), [list, wanted])
  const step = (by: 1 | -1) => setCurrent(matches[stepFrom(matches, current, by)])
  const find = (text: string) => {
    setWanted(text)
    setCurrent(undefined)
  }
  return (
    <>
      <div class="filters">
        {choice}
        <label>
          Shown
          <select value={which} onChange={event => setWhich(event.currentTarget.value as OutputStream)}>
            <option value="both">stdout and stderr</option>
            <option value="stdout">stdout</option>
            <option value="stderr">stderr</option>
          </select>
        </label>
        <label class="check">
          <input type="checkbox" checked={isWrapped} onChange={() => setWrapped(!isWrapped)} /> Wrap lines
        </label>
        <button
          type="button"
          disabled={list.length === 0}
          onClick={() => save(`${name}-${which}.txt`, list.map(({ text }) => `${text}\n`).join(''))}
        >
          Download
        </button>
        <Search {...{ wanted, matches, current, find, step }} />
      </div>
      <div class="output-state">
        <p role="status">{status}</p>
        {children}
      </div>
      <Log name={`Output of ${name}`} {...{ list, isWrapped, wanted, matches, current }} />
      <p class="aside">
        {list.length === 0 ? 'Nothing that is kept.' : `${counted(list.length, 'line')}.`} The last {linesMax} are kept.
      </p>
    </>
  )
}
