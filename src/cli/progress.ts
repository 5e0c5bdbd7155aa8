import type { Followed } from '../client/events.js'
import { liveOn } from '../terminal/live.js'
import { cutTo, printableLine, type Screen } from '../terminal/screen.js'
import { duration } from '../terminal/units.js'
import { remark, screenFor } from './io.js'
import type { Session } from './session.js'

type Phase = 'waiting' | 'busy' | 'done' | 'failed'

interface NodeProgress {
  phase: Phase
  /** What it does, or why it has failed. */
  detail: string
  /** Since when, in milliseconds since 1970. */
  since: number
}

/** What a request has done of its nodes, or of its instances as a whole, by what its events tell. */
export class Progress {
  #nodes = new Map<string, NodeProgress>()
  /** How far it has come, when it goes in steps. */
  #rollout: Extract<Followed, { type: 'rollout_progress' }> | undefined

  /** Expects nodes; others are taken in when they are told of. */
  constructor(names: readonly string[]) {
    for (const name of names) this.#nodes.set(name, { phase: 'waiting', detail: '', since: 0 })
  }

  /** Takes an event in. Returns a line for each node of which it tells something new. */
  apply(event: Followed, now: number): string[] {
    if (event.type === 'notify_change') {
      if (!this.#nodes.has(event.node)) return []
      const { node, new_state: state, reason } = event
      const phase = this.#nodes.get(node)!.phase === 'failed' ? 'failed' : 'busy'
      this.#nodes.set(node, { phase, detail: `${state} (${reason})`, since: now })
      return [`${node}: ${state} (${printableLine(reason)})`]
    }
    if (event.type === 'rollout_progress') {
      this.#rollout = event
      return [stepOf(event)]
    }
    if (event.type !== 'request_progress') return []
    for (const { node, state, seconds } of event.waiting ?? []) {
      this.#nodes.set(node, { phase: 'busy', detail: state, since: now - seconds * 1000 })
    }
    const lines = (event.waiting ?? []).map(({ node, state, seconds }) => `${node}: ${state}, for ${seconds} s`)
    for (const { success, error = 'failed', ...of } of event.results) {
      const name = ownerOf(of)
      if (name === undefined) continue
      this.#nodes.set(name, { phase: success ? 'done' : 'failed', detail: success ? '' : error, since: now })
      if (!success) lines.push(`${name}: ${printableLine(error)}`)
    }
    return lines
  }

  /** Returns what a terminal shows: a bar over all, then the nodes that are not done, as far as there is room. */
  lines(screen: Screen, now: number): string[] {
    const { symbols, style } = screen
    const all = [...this.#nodes]
    const count = (phase: Phase) => all.filter(([, node]) => node.phase === phase).length
    const failed = count('failed')
    // In steps, nodes have results only at the end.
    const { done, total } = this.#rollout ?? { done: count('done'), total: all.length }
    const width = Math.max(10, Math.min(30, (screen.columns ?? 80) - 30))
    const full = total === 0 ? 0 : Math.min(width, Math.round((width * (done + failed)) / total))
    const bar = style(failed > 0 ? 'bad' : 'good', symbols.bar[0].repeat(full)) + symbols.bar[1].repeat(width - full)
    const frame = symbols.spinner[Math.floor(now / 100) % symbols.spinner.length]!
    const open = all.filter(([, { phase }]) => phase === 'failed' || phase === 'busy').sort(byPhase)
    const room = Math.max(1, screen.rows - 4)
    const shown = open.slice(0, room).map(([name, { phase, detail, since }]) => {
      const mark = phase === 'failed' ? style('bad', symbols.failed) : frame
      const age = phase === 'busy' ? style('quiet', ` ${duration((now - since) / 1000)}`) : ''
      return `${mark} ${name}  ${cutTo(printableLine(detail), Math.max(1, (screen.columns ?? 80) - name.length - 12), screen)}${age}`
    })
    const more = open.length > room ? [style('quiet', `${symbols.ellipsis} and ${open.length - room} more`)] : []
    const step = this.#rollout ? [cutTo(stepOf(this.#rollout), screen.columns ?? 80, screen)] : []
    return [`${bar} ${done} of ${total}${failed > 0 ? `, ${failed} failed` : ''}`, ...step, ...shown, ...more]
  }
}

/** Most nodes of a step that are named. */
const namedMax = 5

/** Returns what a deployment in steps does now, and what may be done about it. */
function stepOf({
  reqid,
  phase,
  step,
  of,
  nodes,
  reason,
  until
}: Extract<Followed, { type: 'rollout_progress' }>): string {
  const names = [...nodes.slice(0, namedMax), ...(nodes.length > namedMax ? [`${nodes.length - namedMax} more`] : [])]
  const why = reason === undefined ? '' : ` (${printableLine(reason)})`
  const hint =
    phase === 'canary'
      ? `; until ${until}: zeek-cluster rollout promote ${reqid}, or revert`
      : phase === 'paused'
        ? `; zeek-cluster rollout resume ${reqid}`
        : ''
  return `step ${step} of ${of}, ${printableLine(phase)}: ${names.join(', ')}${why}${hint}`
}

/** Returns whose a result is. */
const ownerOf = ({ node, instance }: { node?: string | undefined; instance?: string | undefined }) => node ?? instance

const byPhase = ([, one]: [string, NodeProgress], [, other]: [string, NodeProgress]): number =>
  Number(other.phase === 'failed') - Number(one.phase === 'failed')

const frameMs = 100

/** What is told while a request is followed. */
export interface Watcher {
  onEvent: (event: Followed) => void
  onConnection: Session['onConnection']
}

/**
 * Shows the progress of a request on stderr while `work` runs, which tells of each of its events: live at a terminal,
 * else a line for each change.
 */
export async function showingProgress<T>(
  { io, onConnection }: Pick<Session, 'io' | 'onConnection'>,
  names: readonly string[],
  work: (watcher: Watcher) => Promise<T>
): Promise<T> {
  const progress = new Progress(names)
  const screen = () => screenFor({ ...io, stdout: io.stderr })
  if (!screen().isLive) {
    return await work({ onConnection, onEvent: event => remark(io, ...progress.apply(event, Date.now())) })
  }
  const live = await liveOn(io.stderr)
  let lost: string | undefined
  const draw = () => {
    // What is said of an interrupted request stays the last.
    if (io.interrupted.aborted) return
    const outage = lost === undefined ? [] : [screen().style('bad', `connection lost (${lost}); trying again`)]
    live.draw([...outage, ...progress.lines(screen(), Date.now())])
  }
  const timer = setInterval(draw, frameMs)
  try {
    const result = await work({
      onEvent: event => {
        progress.apply(event, Date.now())
      },
      onConnection: reason => {
        lost = reason
      }
    })
    draw()
    return result
  } finally {
    clearInterval(timer)
    live.end()
  }
}
