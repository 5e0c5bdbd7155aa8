import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { api, useCluster, useShared, useStream } from '../context.js'
import { eventKinds, fits, typesOf, type EventFilter } from '../model/event-filter.js'
import { counted } from '../model/format.js'
import type { DomainEvent } from '../model/types.js'
import { EventLine } from '../parts/event-line.js'
import { ListFoot } from '../parts/list-foot.js'
import { Page } from '../parts/page.js'
import { usePages } from '../parts/pages.js'
import { useQuery } from '../parts/query.js'

/** Live events that are shown; older ones are read from the controller. */
const liveMax = 300
const pageLength = 100

/** What happens, and what has happened: filtered, as it comes. */
export function Events() {
  const { stream } = useShared()
  const [query, change] = useQuery()
  const filter: EventFilter = {
    kind: query.get('kind') ?? '',
    instance: query.get('instance') ?? '',
    node: query.get('node') ?? ''
  }
  const key = JSON.stringify(filter)
  const isLive = useStream(stream, () => stream.isLive)
  const list = usePages<DomainEvent>(key, async (after, signal) => {
    const { data } = await api.GET('/v1/events/history', {
      params: {
        query: {
          limit: pageLength,
          after,
          types: typesOf(filter)?.slice(),
          instance: filter.instance || undefined,
          node: filter.node || undefined
        }
      },
      signal
    })
    return { items: data!.events as DomainEvent[], next: data!.next }
  })
  // What happened while the stream was away, where that could not go on.
  useEffect(() => {
    if (isLive && list.readAt > 0) list.again()
  }, [isLive])
  const { shown, isPaused, waiting, setPaused } = useLive(key, filter)
  const known = new Set(shown.map(({ cursor }) => cursor))
  const older = list.items.filter(event => !known.has(event.cursor) && fits(event, filter))
  return (
    <Page title="Events" help="events">
      <section aria-label="Filter">
        <Filters filter={filter} change={change} />
      </section>
      <section aria-labelledby="list">
        <div class="list-head">
          <h2 id="list">{isPaused ? 'Paused' : isLive ? 'As they come' : 'Not live'}</h2>
          <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
            {isPaused ? `Go on (${waiting} new)` : 'Pause'}
          </button>
          <span class="aside">{counted(shown.length + older.length, 'event')}</span>
        </div>
        <ol class="events" aria-label="Events, newest first">
          {[...shown, ...older].map(event => (
            <EventLine key={event.cursor} event={event} isWhole />
          ))}
        </ol>
        <ListFoot list={list} what="Events" isLive={isLive && !isPaused} />
      </section>
    </Page>
  )
}

/** Returns the events that have come since the page was opened, newest first. */
function useLive(key: string, filter: EventFilter) {
  const { stream } = useShared()
  const [shown, setShown] = useState<readonly DomainEvent[]>([])
  const [isPaused, setPaused] = useState(false)
  const [waiting, setWaiting] = useState(0)
  const held = useRef<readonly DomainEvent[]>([])
  const paused = useRef(isPaused)
  paused.current = isPaused
  useEffect(() => {
    held.current = []
    setShown([])
    setWaiting(0)
    return stream.onEvents(events => {
      const fitting = events.filter(event => fits(event, filter)).reverse()
      if (fitting.length === 0) return
      held.current = [...fitting, ...held.current].slice(0, liveMax)
      if (paused.current) setWaiting(count => count + fitting.length)
      else setShown(held.current)
    })
  }, [key, stream])
  return {
    shown,
    isPaused,
    waiting,
    setPaused: (pause: boolean) => {
      setPaused(pause)
      setWaiting(0)
      if (!pause) setShown(held.current)
    }
  }
}

function Filters({ filter, change }: { filter: EventFilter; change: (values: Record<string, string>) => void }) {
  const instances = useCluster(cluster => cluster.instances)
  const nodes = useCluster(cluster => cluster.nodes)
  const names = useMemo(
    () => [...nodes.values()].flatMap(group => group.map(({ node }) => node)).filter(name => name !== ''),
    [nodes]
  )
  return (
    <form class="filters" onSubmit={event => event.preventDefault()}>
      <label>
        What
        <select value={filter.kind} onChange={event => change({ kind: event.currentTarget.value })}>
          <option value="">Everything but samples and outputs</option>
          {Object.entries(eventKinds).map(([kind, { name }]) => (
            <option key={kind} value={kind}>
              {name}
            </option>
          ))}
          {filter.kind !== '' && !(filter.kind in eventKinds) && <option value={filter.kind}>{filter.kind}</option>}
        </select>
      </label>
      <label>
        Instance
        <select value={filter.instance} onChange={event => change({ instance: event.currentTarget.value })}>
          <option value="">all</option>
          {[...new Set([...instances.keys(), filter.instance])].filter(Boolean).map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Node
        <input
          list="node-names"
          value={filter.node}
          placeholder="all"
          onChange={event => change({ node: event.currentTarget.value.trim() })}
        />
      </label>
      <datalist id="node-names">
        {names.map(name => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  )
}
