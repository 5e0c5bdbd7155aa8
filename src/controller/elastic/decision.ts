import type { ElasticWorkers } from '../../../schemas/groups.js'
import type { Load } from './load.js'

/** The workers of an elastic group on one instance, but for those that operators have stopped. */
export interface Workers {
  limits: Required<ElasticWorkers>
  /** Names of those that are to run, and of those that need not, in the order in which they are started. */
  running: readonly string[]
  spares: readonly string[]
}

/** What is remembered of it. */
export interface Past {
  /** Seconds since its last change; undefined where there was none. */
  since?: number | undefined
  /** Packets a second of each worker with which they have dropped too many. */
  overload?: number | undefined
}

/** What is to be done, and why, for people. */
export interface Decision {
  action: 'start' | 'stop'
  node: string
  reason: string
  /** What is to be remembered from now on. */
  overload?: number | undefined
}

/** `exhausted`: why one more would be started, were there one. */
export type Verdict = Decision | { action: 'none'; exhausted?: string }

/**
 * Of each limit, what those that go on may come to after one is stopped. With the distance between min and max it is
 * what keeps a group from going to and fro under one load.
 */
const headroom = 0.75

const rounded = (value: number) => String(Math.round(value * 100) / 100)
const none: Verdict = { action: 'none' }

/**
 * Decides what becomes of a group: a pure function. It never runs fewer than min, nor more than max; it changes by one
 * worker at a time, and not before its cool-down is over, but to reach min. `load`: of those that run; undefined where
 * that is not known, or one of them has not run for long enough.
 */
export function decide({ limits, running, spares }: Workers, load: Load | undefined, past: Past): Verdict {
  const [next] = spares
  const count = `${running.length} of ${running.length + spares.length} workers run`
  if (running.length < limits.min && next !== undefined) {
    return { action: 'start', node: next, reason: `at least ${limits.min} must run; ${count}`, overload: past.overload }
  }
  if (!load || load.workers !== running.length) return none
  const isWarm = past.since !== undefined && past.since < limits.cooldown_seconds
  const short = whyMore(limits, load)
  if (short) {
    const reason = `${short.why}; ${count}`
    if (next === undefined) return short.overload === undefined ? none : { action: 'none', exhausted: reason }
    return isWarm ? none : { action: 'start', node: next, reason, overload: short.overload ?? past.overload }
  }
  const why = isWarm || running.length <= limits.min ? undefined : whyLess(limits, load, past)
  if (why === undefined) return none
  return { action: 'stop', node: running.at(-1)!, reason: `${why}; ${count}`, overload: past.overload }
}

/** Returns why one more is needed; `overload` where they cannot do with what comes. */
function whyMore(limits: Workers['limits'], load: Load): { why: string; overload?: number } | undefined {
  const { max_drop_percent: dropMax, max_cpu_percent: cpuMax } = limits
  const { cpuPercent, traffic, workers } = load
  const time = `${Math.round(load.seconds)} s`
  if (traffic && traffic.droppedPercent > dropMax) {
    const why = `dropped ${rounded(traffic.droppedPercent)} % of its packets in ${time}, ${rounded(dropMax)} % is allowed`
    return { why, overload: traffic.packets / workers }
  }
  if (cpuPercent <= cpuMax) return undefined
  return { why: `each worker used ${rounded(cpuPercent)} % of a CPU in ${time}, ${rounded(cpuMax)} % is allowed` }
}

/** Returns why one less is enough. */
function whyLess(limits: Workers['limits'], load: Load, { overload }: Past): string | undefined {
  const { min_cpu_percent: cpuMin, max_cpu_percent: cpuMax } = limits
  const { cpuPercent, traffic, workers } = load
  if (workers < 2 || !traffic || traffic.droppedPercent > 0 || cpuPercent >= cpuMin) return undefined
  const eachThen = workers / (workers - 1)
  if (cpuPercent * eachThen >= cpuMax * headroom) return undefined
  if (overload !== undefined && (traffic.packets / workers) * eachThen >= overload * headroom) return undefined
  const used = `each worker used ${rounded(cpuPercent)} % of a CPU in ${Math.round(load.seconds)} s`
  return `${used}, less than ${rounded(cpuMin)} %, and dropped nothing`
}
