import type { ComponentChildren } from 'preact'
import { Link } from '../parts/link.js'
import { bytes, count, lag, percent, plain } from '../model/format.js'
import { roleOf, type NodeRow, type SortKey } from '../model/node-rows.js'
import { toneOf } from '../model/states.js'
import { StateMark } from '../parts/state-mark.js'
import { Ago } from '../parts/time.js'

/** A column of a list of nodes. */
export interface Column {
  key: SortKey
  title: string
  isNumber?: boolean
  /** Where it is a column: a width of a grid. */
  width: string
  cell: (row: NodeRow) => ComponentChildren
}

export const columns: readonly Column[] = [
  {
    key: 'name',
    title: 'Name',
    width: 'minmax(7rem, 1.2fr)',
    cell: ({ node: { node } }) => <Link href={`/nodes/${node}`}>{plain(node)}</Link>
  },
  { key: 'role', title: 'Role', width: '6.2rem', cell: ({ node }) => roleOf(node) },
  {
    key: 'instance',
    title: 'Host',
    width: 'minmax(5.5rem, 1fr)',
    cell: ({ node: { instance } }) => <Link href={`/hosts/${instance}`}>{plain(instance)}</Link>
  },
  {
    key: 'state',
    title: 'State',
    width: '7rem',
    cell: ({ node: { state, desired_state: desired } }) => (
      <>
        <StateMark tone={toneOf(state)} /> {state}
        {desired === 'STOPPED' && state !== 'STOPPED' && <span class="aside"> (to stop)</span>}
      </>
    )
  },
  {
    key: 'since',
    title: 'Since',
    width: '6.2rem',
    cell: ({ node: { since } }) => (since === undefined ? '-' : <Ago at={since} />)
  },
  {
    key: 'restarts',
    title: 'Restarts',
    isNumber: true,
    width: '4.6rem',
    cell: ({ node: { restarts } }) => restarts ?? '-'
  },
  { key: 'cpu', title: 'CPU', isNumber: true, width: '3.6rem', cell: ({ stats }) => told(stats?.cpu_percent, percent) },
  {
    key: 'memory',
    title: 'Memory',
    isNumber: true,
    width: '5rem',
    cell: ({ stats }) => told(stats?.memory_bytes, bytes)
  },
  {
    key: 'packets',
    title: 'Packets/s',
    isNumber: true,
    width: '5.3rem',
    cell: ({ stats }) => told(stats?.packets_per_second, count)
  },
  {
    key: 'drop',
    title: 'Drop',
    isNumber: true,
    width: '3.6rem',
    cell: ({ stats }) => told(stats?.dropped_percent, percent)
  },
  { key: 'lag', title: 'Lag', isNumber: true, width: '3.6rem', cell: ({ stats }) => told(stats?.packet_lag, lag) },
  {
    key: 'reason',
    title: 'Reason',
    width: 'minmax(9rem, 3fr)',
    cell: ({ node: { reason = '' } }) => <span title={plain(reason)}>{plain(reason)}</span>
  }
]

const told = (value: number | undefined, text: (value: number) => string) => (value === undefined ? '-' : text(value))
