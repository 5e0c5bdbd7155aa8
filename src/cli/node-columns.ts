import type { Schema } from '../client/connection.js'
import type { Screen, Tone } from '../terminal/screen.js'
import { printableLine } from '../terminal/screen.js'
import type { Column } from '../terminal/table.js'
import { amount, bytes, duration, percent } from '../terminal/units.js'

export type NodeStatus = Schema['InstanceNode']
export type NodeStats = Schema['NodeStats']

/** A node as it is shown: what is known of it, and its last sample. */
export interface NodeRow {
  status: NodeStatus
  stats: NodeStats | undefined
}

/** A column that rows can be sorted by. */
export interface NodeColumn extends Column<NodeRow> {
  key: string
  value: (row: NodeRow) => string | number | undefined
  /** Whether only `-o wide` shows it. */
  isWide?: boolean
}

/** Returns whether a node that should run does not, or does not answer. */
export function isAmiss({ state, desired_state: desired, responding }: NodeStatus): boolean {
  return desired !== 'STOPPED' && (state !== 'RUNNING' || responding === false)
}

function toneOf(status: NodeStatus): Tone {
  if (status.desired_state === 'STOPPED') return 'quiet'
  if (!isAmiss(status)) return 'good'
  return status.state === 'PENDING' || status.state === 'STOPPED' ? 'warning' : 'bad'
}

/** Returns the columns of nodes, all of them, in their order. `now` is in milliseconds since 1970. */
export function nodeColumns(now: () => number): NodeColumn[] {
  const text = (
    key: string,
    value: (row: NodeRow) => string | undefined,
    rest: Partial<NodeColumn> = {}
  ): NodeColumn => ({
    key,
    title: titleOf(key),
    value,
    text: row => printableLine(value(row) ?? '-'),
    ...rest
  })
  const number = (
    key: string,
    value: (row: NodeRow) => number | undefined,
    format: (value: number) => string,
    rest: Partial<NodeColumn> = {}
  ): NodeColumn => ({
    key,
    title: titleOf(key),
    value,
    text: row => {
      const it = value(row)
      return it === undefined ? '-' : format(it)
    },
    isNumber: true,
    ...rest
  })
  const since = ({ status }: NodeRow) =>
    status.since === undefined ? undefined : (now() - Date.parse(status.since)) / 1000
  const isWide = true
  return [
    text('node', ({ status }) => status.node, { tone: () => 'strong' }),
    text('role', ({ status }) => (status.cluster_role ?? status.mgmt_role).toLowerCase()),
    text('instance', ({ status }) => status.instance),
    text('state', ({ status }) => stateOf(status), { tone: ({ status }) => toneOf(status) }),
    number('since', since, seconds => duration(seconds)),
    number('restarts', ({ status }) => status.restarts, String, {
      tone: ({ status }) => ((status.restarts ?? 0) > 0 ? 'warning' : undefined)
    }),
    number('cpu', ({ stats }) => stats?.cpu_percent, percent),
    number('memory', ({ stats }) => stats?.memory_bytes, bytes),
    number(
      'packets',
      ({ stats }) => stats?.packets_per_second,
      value => `${amount(value)}/s`
    ),
    number('drop', ({ stats }) => stats?.dropped_percent, percent, {
      tone: ({ stats }) => ((stats?.dropped_percent ?? 0) > 0 ? 'warning' : undefined)
    }),
    number(
      'lag',
      ({ stats }) => stats?.packet_lag,
      seconds => `${seconds.toFixed(1)}s`,
      { isWide }
    ),
    number('idle', ({ stats }) => stats?.idle, duration, { isWide }),
    number('sessions', ({ stats }) => stats?.sessions, amount, { isWide }),
    number('threads', ({ stats }) => stats?.threads, String, { isWide }),
    number('uptime', ({ stats }) => stats?.uptime, duration, { isWide }),
    number('pid', ({ status }) => status.pid, String, { isWide }),
    number('port', ({ status }) => status.port, String, { isWide }),
    number('metrics', ({ status }) => status.metrics_port, String, { isWide }),
    text('desired', ({ status }) => status.desired_state, { isWide }),
    text('reason', ({ status }) => status.reason, { isLong: true })
  ]
}

const titleOf = (key: string): string => key.toUpperCase()

function stateOf({ state, responding }: NodeStatus): string {
  return responding === false ? `${state} (silent)` : state
}

/** Returns rows in the order of a column; those without a value come last. */
export function sorted(rows: readonly NodeRow[], column: NodeColumn, descending: boolean): NodeRow[] {
  const factor = descending ? -1 : 1
  return rows.toSorted((one, other) => {
    const [a, b] = [column.value(one), column.value(other)]
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
    return factor * (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b)))
  })
}

/** Returns what the nodes are together, in one line: "6 of 7 run, 1 stopped". */
export function summaryOf(rows: readonly NodeRow[], { style }: Screen): string {
  const wanted = rows.filter(({ status }) => status.desired_state !== 'STOPPED')
  const run = wanted.filter(({ status }) => !isAmiss(status))
  const stopped = rows.length - wanted.length
  const line = `${run.length} of ${wanted.length} nodes run${stopped > 0 ? `, ${stopped} stopped` : ''}`
  return style(run.length === wanted.length ? 'good' : 'bad', line)
}
