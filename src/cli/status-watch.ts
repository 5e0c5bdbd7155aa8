import { setTimeout as sleep } from 'node:timers/promises'
import { eventStream, follow } from '../client/events.js'
import { type ExitCode } from '../client/failure.js'
import { submit, type ClusterRequest } from '../client/requests.js'
import { liveOn } from '../terminal/live.js'
import { screenFor } from './io.js'
import { selectorOf } from './options.js'
import type { Session } from './session.js'
import { exitCodeOf, linesOf, readStatus, type Status, type StatusQuery, type StatusView } from './status.js'

const intervalSeconds = 5
/** How long a request watches before the next one does: it goes on when who reads has gone. */
const watchSeconds = 300
/** The least time between two readings of the state. */
const readingMs = 500

/** Events after which other nodes can be watched; or after which there may be some, where there were none. */
const renewing: readonly string[] = ['deploy_response', 'reset']
const changing = [...renewing, 'notify_change', 'notify_agent_hello']
const types = [
  'notify_change',
  'notify_agent_hello',
  'notify_agent_lost',
  'notify_health',
  'deploy_response',
  'start_response',
  'stop_response',
  'node_stats',
  'get_node_stats_response'
]

/** Shows a status, drawn anew when something changes, until Ctrl-C. Returns the exit code of what was shown last. */
export async function watchStatus(session: Session, query: StatusQuery, view: StatusView): Promise<ExitCode> {
  const { io, api, signal } = session
  const live = session.screen.isLive ? await liveOn(io.stdout) : undefined
  let status = await readStatus(session, query)
  let lost: string | undefined
  const draw = () => {
    // The terminal may have another size by now.
    const lines = linesOf(status, view, screenFor(io))
    const age = lost === undefined ? [] : [session.screen.style('bad', `connection lost (${lost}): this may be old`)]
    if (live) live.draw([...age, ...lines])
    else io.stdout.write(`${[...age, ...lines].join('\n')}\n\n`)
  }
  let reading: Promise<void> | undefined
  /** Reads the state again, once for all that has changed meanwhile. */
  const readAgain = () => {
    reading ??= sleep(readingMs, undefined, { signal })
      .then(async () => {
        reading = undefined
        status = await readStatus(session, query)
        lost = undefined
        draw()
      })
      .catch((error: unknown) => {
        if (signal.aborted) return
        lost = (error as Error).message
        draw()
      })
  }
  const watchStats = async () =>
    await submit(
      api,
      'get_node_stats',
      { ...selectorOf(query.nodes, query.selection), watch: true, interval: intervalSeconds, duration: watchSeconds },
      { signal }
    )
  draw()
  if (live) io.stdout.on('resize', draw)
  let watching: ClusterRequest | undefined = await watchStats()
  try {
    const onConnection = (reason: string | undefined) => {
      lost = reason
      draw()
    }
    for await (const event of follow(eventStream(api, { types, from: status.cursor }), {
      signal,
      onConnection
    })) {
      if (event.type === 'node_stats') {
        status = withSamples(status, event.stats)
        draw()
      } else if (event.type !== 'get_node_stats_response') readAgain()
      const isOver = event.type === 'get_node_stats_response' && event.reqid === watching?.reqid
      // When no node can be watched, that does not change by asking again, but by what happens.
      if (isOver && event.state === 'failed') watching = undefined
      // What is watched is what was deployed then.
      else if (isOver || (watching ? renewing : changing).includes(event.type)) watching = await watchStats()
    }
  } finally {
    io.stdout.off('resize', draw)
    live?.end()
  }
  return exitCodeOf(status)
}

function withSamples(status: Status, samples: readonly NonNullable<Status['rows'][number]['stats']>[]): Status {
  const byNode = new Map(samples.map(sample => [sample.node, sample]))
  return {
    ...status,
    rows: status.rows.map(row => ({ ...row, stats: byNode.get(row.status.node) ?? row.stats }))
  }
}
