import { useEffect, useRef } from 'preact/hooks'
import type { RequestType } from '../../src/client/requests.js'
import { useShared, useStream } from '../context.js'

/**
 * Calls `listener` after a request of one of these types was answered, whoever has asked, and when the page is live
 * again after an outage: some of what has happened meanwhile may never come.
 */
export function useAnswered(types: readonly RequestType[], listener: () => void): void {
  const { stream } = useShared()
  const isLive = useStream(stream, () => stream.isLive)
  const wasLive = useRef(isLive)
  const latest = useRef({ types, listener })
  latest.current = { types, listener }
  useEffect(
    () =>
      stream.onEvents(events => {
        const { types, listener } = latest.current
        if (events.some(event => types.some(type => event.type === `${type}_response`))) listener()
      }),
    [stream]
  )
  useEffect(() => {
    if (isLive && !wasLive.current) latest.current.listener()
    wasLive.current = isLive
  }, [isLive])
}
