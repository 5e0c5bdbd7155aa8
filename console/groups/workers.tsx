import { useMemo } from 'preact/hooks'
import { useCluster } from '../context.js'
import { plain } from '../model/format.js'
import { nodesOf, type GroupOfWorkers, type GroupWorker } from '../model/groups.js'
import { LongTable, type LongColumn } from '../parts/long-table.js'
import { NodeStateText } from '../parts/state-mark.js'

interface Row extends GroupWorker {
  state: string | undefined
}

const columns: readonly LongColumn<Row>[] = [
  { title: 'Worker', width: 'minmax(0, 3fr)', cell: ({ node }) => plain(node) },
  {
    title: 'State',
    width: '7rem',
    cell: ({ state }) =>
      state === undefined ? <span class="aside">not deployed</span> : <NodeStateText state={state} />
  },
  { title: 'CPU', width: '3rem', isNumber: true, cell: ({ cpu }) => cpu },
  {
    title: 'Why there',
    width: 'minmax(0, 4fr)',
    cell: ({ reason, instead }) => (
      <span class="text">
        {instead !== undefined
          ? `a deployment now would have it elsewhere: ${plain(instead)}`
          : reason !== undefined
            ? plain(reason)
            : 'not known: no deployment now would have it'}
      </span>
    )
  }
]

/** Every worker of a group: how it is, its CPU, and why it has that. */
export function GroupWorkers({ of }: { of: GroupOfWorkers }) {
  const nodes = useCluster(cluster => cluster.nodes)
  const rows = useMemo(() => {
    const states = new Map(nodesOf(of, nodes).map(({ node, state }) => [node, state]))
    return of.workers.map(worker => ({ ...worker, state: states.get(worker.node) }))
  }, [of, nodes])
  return <LongTable name={`Workers of ${of.group.name}`} columns={columns} rows={rows} keyOf={({ node }) => node} />
}
