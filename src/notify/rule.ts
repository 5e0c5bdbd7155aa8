import type { RuleSettings, Severity } from '../../schemas/notifications.js'
import { isAtLeast, type Occurrence } from './occurrence.js'
import { Quiet } from './quiet.js'

/** What a rule tells unless it says so itself, and for how many seconds it gathers. */
const usual = { severity: 'warning', groupFor: 60 } as const

/** The rule where a file has none: what is amiss, and when it is over. */
export const usualRules: readonly RuleSettings[] = [
  { name: 'default', types: ['notify_change', 'notify_agent_lost', 'notify_health', 'notify_error'] }
]

/**
 * The parts of what a rule tells, which do not wait for each other: all of it; or, with quiet hours, what is told even
 * then, and the rest.
 */
export type Lane = 'main' | 'urgent'

/** What is told: a pure function of what has happened, and of the time. */
export class Rule {
  readonly name: string
  readonly severity: Severity
  readonly recoveries: boolean
  readonly groupMs: number
  readonly quiet: Quiet | undefined
  readonly sinks: readonly string[]
  readonly settings: RuleSettings
  #select: Partial<Record<'type' | 'code' | 'instance' | 'node', ReadonlySet<string>>>

  /** `sinks`: all that there are. `field`: where the settings are. Throws an AppError that names the field. */
  constructor(settings: RuleSettings, sinks: readonly string[], field: string) {
    const { name, types, severity, health, instances, nodes, recoveries, group_for: groupFor, quiet } = settings
    this.settings = settings
    this.name = name
    this.severity = severity ?? usual.severity
    this.recoveries = recoveries ?? true
    this.groupMs = (groupFor ?? usual.groupFor) * 1000
    this.quiet = quiet && new Quiet(quiet, `${field}/quiet`)
    this.sinks = settings.sinks ?? sinks
    const wanted = Object.entries({ type: types, code: health, instance: instances, node: nodes })
    this.#select = Object.fromEntries(wanted.flatMap(([key, values]) => (values ? [[key, new Set(values)]] : [])))
  }

  get lanes(): readonly Lane[] {
    return this.quiet ? ['urgent', 'main'] : ['main']
  }

  /** Returns in which lane something is told; undefined when it is not. */
  laneOf(occurrence: Occurrence): Lane | undefined {
    if (!this.#selects(occurrence)) return undefined
    return this.quiet && isAtLeast(occurrence.severity, this.quiet.severity) ? 'urgent' : 'main'
  }

  /** Returns when a group is told, and with it what has happened before, that has begun at a time. */
  dueOf(lane: Lane, began: number): number {
    return this.admits(lane, began + this.groupMs)
  }

  /** Returns the first time, not before this one, at which something may be told. */
  admits(lane: Lane, time: number): number {
    return this.quiet && lane === 'main' ? this.quiet.endOf(time) : time
  }

  #selects(occurrence: Occurrence): boolean {
    const { severity, over } = occurrence
    if (!isAtLeast(severity, this.severity) || (over && !this.recoveries)) return false
    return (['type', 'code', 'instance', 'node'] as const).every(key => {
      const wanted = this.#select[key]
      const value = occurrence[key]
      // Codes choose among reasons of health, and nothing else.
      return !wanted || (value === undefined ? key === 'code' : wanted.has(value))
    })
  }
}
