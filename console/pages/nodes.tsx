import { useMemo, useState } from 'preact/hooks'
import { useLocation, useSearch } from 'wouter-preact'
import { Link } from '../parts/link.js'
import { useCluster, useMay, useStatsWatch } from '../context.js'
import { counted } from '../model/format.js'
import { filterOf, queryOf, rowsOf, type NodeFilter } from '../model/node-rows.js'
import { ofNodes } from '../model/selection.js'
import { NodeFilters } from '../nodes/filters.js'
import { NodeTable } from '../nodes/table.js'
import { NodeActions } from '../parts/actions.js'
import { Page } from '../parts/page.js'

/** All nodes: found, compared, and acted on. What is looked for is in the URL. */
export function Nodes() {
  useStatsWatch()
  const mayAct = useMay('operator', { limited: true })
  const nodes = useCluster(cluster => cluster.nodes)
  const stats = useCluster(cluster => cluster.stats)
  const query = useSearch()
  const [, navigate] = useLocation()
  const filter = useMemo(() => filterOf(new URLSearchParams(query)), [query])
  const rows = useMemo(() => rowsOf(nodes.values(), stats, filter), [nodes, stats, filter])
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const change = (part: Partial<NodeFilter>) => {
    const next = queryOf({ ...filter, ...part })
    navigate(next === '' ? '/nodes' : `/nodes?${next}`, { replace: true })
  }
  const all = useMemo(() => [...nodes.values()].flat().filter(({ mgmt_role: role }) => role === 'NODE'), [nodes])
  const chosen = all.filter(({ node }) => selected.has(node))
  const listed = new Set(rows.map(({ node }) => node.node))
  const unlisted = chosen.filter(({ node }) => !listed.has(node)).length
  return (
    <Page title="Nodes" help="operating#which-nodes">
      <section aria-label="Filter">
        <NodeFilters filter={filter} onChange={change} />
      </section>
      <section aria-label="Listed nodes" class="node-list">
        <div class="selection">
          <p role="status">
            {rows.length === all.length && filter.roles.length === 0
              ? counted(rows.length, 'node')
              : `${counted(rows.length, 'node')} of ${all.length}`}
            {chosen.length > 0 && `, ${chosen.length} selected`}
            {unlisted > 0 && ` (${unlisted} of them not listed here)`}
          </p>
          {chosen.length > 0 && (
            <button type="button" onClick={() => setSelected(new Set())}>
              Select none
            </button>
          )}
          <NodeActions of={ofNodes(chosen)} />
          {chosen.length === 0 && mayAct && <span class="aside">Select nodes to act on them.</span>}
        </div>
        {all.length === 0 ? (
          <p>
            No node is deployed yet. <Link href="/deploy">Deploy a configuration</Link>
          </p>
        ) : rows.length === 0 ? (
          <p>No node fits.</p>
        ) : (
          <NodeTable
            name="Nodes"
            rows={rows}
            order={filter}
            onOrder={change}
            selected={selected}
            onSelect={setSelected}
          />
        )}
      </section>
    </Page>
  )
}
