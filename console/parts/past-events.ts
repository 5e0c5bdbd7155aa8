import { useEffect, useRef, useState } from 'preact/hooks'
import { api, useShared, useStream } from '../context.js'
import {
  fits,
  noPast,
  withComing,
  withNewest,
  withOlder,
  type EventQuery,
  type Page,
  type Past
} from '../model/past.js'
import type { DomainEvent } from '../model/types.js'

const pageLength = 50
/** Pages that are read at once: one may have looked through many events without finding any that fit. */
const pagesMax = 4

export interface PastEvents extends Past {
  isBusy: boolean
  failure: string | undefined
  /** Reads older ones. */
  more: () => void
}

/** Returns the events that fit, those that are kept and those that come. The query stays the same. */
export function usePastEvents(query: EventQuery): PastEvents {
  const { stream } = useShared()
  const isLive = useStream(stream, () => stream.isLive)
  const [past, setPast] = useState(noPast)
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const closing = useRef(new AbortController())
  const read = async (after: string | undefined) => {
    const { signal } = closing.current
    setBusy(true)
    try {
      const page = await readPages(query, after, signal)
      if (signal.aborted) return
      setPast(before => (after === undefined ? withNewest(before, page) : withOlder(before, page)))
      setFailure(undefined)
    } catch (error) {
      if (!signal.aborted) setFailure((error as Error).message)
    } finally {
      if (!signal.aborted) setBusy(false)
    }
  }
  useEffect(
    () =>
      stream.onEvents(events => {
        const fresh = events.filter(event => fits(event, query))
        if (fresh.length > 0) setPast(before => withComing(before, fresh))
      }),
    [stream]
  )
  // Also after an outage: some of what has happened may never come.
  useEffect(() => {
    if (!isLive) return
    closing.current = new AbortController()
    void read(undefined)
    return () => closing.current.abort()
  }, [isLive])
  return { ...past, isBusy, failure, more: () => void read(past.next) }
}

async function readPages(
  { types, ...about }: EventQuery,
  after: string | undefined,
  signal: AbortSignal
): Promise<Page> {
  const events: DomainEvent[] = []
  let next = after
  for (let page = 0; page < pagesMax && events.length < pageLength; page++) {
    const place = next === undefined ? {} : { after: next }
    const { data } = await api.GET('/v1/events/history', {
      params: { query: { types: [...types], ...about, limit: pageLength, ...place } },
      signal
    })
    events.push(...(data!.events as DomainEvent[]))
    next = data!.next
    if (next === undefined) break
  }
  return { events, next }
}
