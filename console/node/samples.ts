import { useEffect, useState } from 'preact/hooks'
import { useShared, useStatsWatch, useStream } from '../context.js'
import { joined, pointOf, type Point } from '../model/series.js'
import { answerTo } from '../parts/submit.js'

/** What a node has used and seen in the last hour, as its agent tells, and goes on to use and see. */
export interface Samples {
  /** Oldest first. */
  points: readonly Point[]
  /** Whether it is known what was before this page was opened. */
  isThere: boolean
  /** Why it is not. */
  failure: string | undefined
}

export function useSamples(node: string): Samples {
  useStatsWatch()
  const { stream } = useShared()
  const isLive = useStream(stream, () => stream.isLive)
  const [points, setPoints] = useState<readonly Point[]>([])
  const [isThere, setThere] = useState(false)
  const [failure, setFailure] = useState<string>()
  useEffect(
    () =>
      stream.onEvents(events => {
        const fresh = events
          .flatMap(event => (event.type === 'node_stats' ? event.stats : []))
          .filter(sample => sample.node === node)
          .map(pointOf)
        if (fresh.length > 0) setPoints(before => joined(before, fresh, Date.now()))
      }),
    [stream, node]
  )
  // Also after an outage: what was missed meanwhile is in the history.
  useEffect(() => {
    if (!isLive) return
    const closing = new AbortController()
    readHistory(node, closing.signal).then(
      history => {
        setPoints(before => joined(history, before, Date.now()))
        setThere(true)
        setFailure(undefined)
      },
      error => {
        if (!closing.signal.aborted) setFailure((error as Error).message)
      }
    )
    return () => closing.abort()
  }, [node, isLive])
  return { points, isThere, failure }
}

async function readHistory(node: string, signal: AbortSignal): Promise<readonly Point[]> {
  const { results } = await answerTo('get_node_stats', { nodes: [node], history: true }, signal)
  const { success, error = 'no answer has come', data } = results[0] ?? { success: false }
  // One that does not run any more has its history, too.
  if (!success && data?.history === undefined) throw new Error(error)
  return data?.history ?? []
}
