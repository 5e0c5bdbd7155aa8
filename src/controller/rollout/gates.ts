import type { Arguments } from '../../../schemas/api.js'
import type { NodeStats } from '../../../schemas/operations.js'

/** The limits that a changed node must keep to, as the arguments of a deployment name them. */
export type GateLimits = Pick<Arguments<'deploy'>, 'max_drop_percent' | 'max_lag_seconds' | 'max_memory_bytes'>

const rounded = (value: number) => String(Math.round(value * 100) / 100)
const mebibytes = (bytes: number) => `${rounded(bytes / 1_048_576)} MiB`

/** What is measured, by the name of its limit. */
const gates = {
  max_drop_percent: {
    figure: ({ dropped_percent: percent }: NodeStats) => percent,
    say: (value: number) => `drops ${rounded(value)} % of its packets`,
    limit: (value: number) => `${rounded(value)} %`
  },
  max_lag_seconds: {
    figure: ({ packet_lag: seconds }: NodeStats) => seconds,
    say: (value: number) => `is ${rounded(value)} s behind`,
    limit: (value: number) => `${rounded(value)} s`
  },
  max_memory_bytes: {
    figure: ({ memory_bytes: bytes }: NodeStats) => bytes,
    say: (value: number) => `uses ${mebibytes(value)} of memory`,
    limit: mebibytes
  }
} satisfies Record<keyof GateLimits, unknown>

/** Returns whether there is a limit: else nothing need be measured. */
export const hasLimits = (limits: GateLimits): boolean =>
  (Object.keys(gates) as (keyof GateLimits)[]).some(name => limits[name] !== undefined)

/** Returns whether a node has told all that there is a limit for. */
export const isMeasured = (limits: GateLimits, figures: NodeStats | undefined): boolean =>
  figures !== undefined &&
  (Object.keys(gates) as (keyof GateLimits)[]).every(
    name => limits[name] === undefined || gates[name].figure(figures) !== undefined
  )

/**
 * Returns why a node does not pass; undefined when it does. `before`: its figures before it was changed, if it ran: what
 * was as bad then is not the fault of the change.
 */
export function whyBroken(limits: GateLimits, before: NodeStats | undefined, now: NodeStats): string | undefined {
  for (const name of Object.keys(gates) as (keyof GateLimits)[]) {
    const { figure, say, limit } = gates[name]
    const allowed = limits[name]
    const value = figure(now)
    const was = before && figure(before)
    if (allowed === undefined || value === undefined || value <= Math.max(allowed, was ?? 0)) continue
    const then = was === undefined ? '' : `, ${limit(was)} before`
    return `${now.node} ${say(value)}, ${limit(allowed)} is allowed${then}`
  }
  return undefined
}
