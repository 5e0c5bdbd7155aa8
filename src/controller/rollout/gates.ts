import type { Arguments } from '../../../schemas/api.js'
import type { ClusterNode } from '../../../schemas/types.js'
import type { NodeStats } from '../../../schemas/operations.js'

/** The limits that a changed node must keep to, as the arguments of a deployment name them. */
export type GateLimits = Pick<
  Arguments<'deploy'>,
  'max_drop_percent' | 'max_lag_seconds' | 'max_memory_bytes' | 'max_errors'
>

const rounded = (value: number) => String(Math.round(value * 100) / 100)
const mebibytes = (bytes: number) => `${rounded(bytes / 1_048_576)} MiB`

interface Gate {
  /** Whether it is of the packets of an interface. */
  ofPackets?: boolean
  /** What is compared with the limit. */
  figure: (now: NodeStats) => number | undefined
  /** What it was before, where that is not just the figure of then. */
  before?: (before: NodeStats, now: NodeStats) => number | undefined
  /** Says what a node does. */
  say: (value: number) => string
  /** Says a figure. */
  limit: (value: number) => string
}

/** What is measured, by the name of its limit. */
const gates: Record<keyof GateLimits, Gate> = {
  max_drop_percent: {
    ofPackets: true,
    figure: ({ dropped_percent: percent }) => percent,
    say: value => `drops ${rounded(value)} % of its packets`,
    limit: value => `${rounded(value)} %`
  },
  max_lag_seconds: {
    ofPackets: true,
    figure: ({ packet_lag: seconds }) => seconds,
    say: value => `is ${rounded(value)} s behind`,
    limit: value => `${rounded(value)} s`
  },
  max_memory_bytes: {
    figure: ({ memory_bytes: bytes }) => bytes,
    say: value => `uses ${mebibytes(value)} of memory`,
    limit: mebibytes
  },
  max_errors: {
    figure: ({ reporter_errors: errors }) => errors,
    // They are counted from the start: what is compared is as long after it.
    before: ({ reporter_errors: errors, uptime }, now) =>
      errors === undefined || uptime <= now.uptime ? errors : (errors * now.uptime) / uptime,
    say: value => `has reported ${rounded(value)} ${value === 1 ? 'error' : 'errors'}`,
    limit: rounded
  }
}
const named = Object.entries(gates) as [keyof GateLimits, Gate][]

/** Returns whether there is a limit: else nothing need be measured. */
export const hasLimits = (limits: GateLimits): boolean => named.some(([name]) => limits[name] !== undefined)

/** Returns whether a node has told all that there is a limit for. Only one with an interface can tell of packets. */
export function isMeasured(
  limits: GateLimits,
  node: Pick<ClusterNode, 'interface'>,
  figures: NodeStats | undefined
): boolean {
  return named.every(
    ([name, { figure, ofPackets = false }]) =>
      limits[name] === undefined ||
      (ofPackets && node.interface === undefined) ||
      (figures !== undefined && figure(figures) !== undefined)
  )
}

/**
 * Returns why a node does not pass; undefined when it does. `before`: its figures before it was changed, if it ran:
 * what was as bad then is not the fault of the change.
 */
export function whyBroken(limits: GateLimits, before: NodeStats | undefined, now: NodeStats): string | undefined {
  for (const [name, { figure, before: earlier = figure, say, limit }] of named) {
    const allowed = limits[name]
    const value = figure(now)
    const was = before && earlier(before, now)
    if (allowed === undefined || value === undefined || value <= Math.max(allowed, was ?? 0)) continue
    const then = was === undefined ? '' : `, ${limit(was)} before`
    return `${now.node} ${say(value)}, ${limit(allowed)} is allowed${then}`
  }
  return undefined
}
