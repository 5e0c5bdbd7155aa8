import { useMemo, useState } from 'preact/hooks'
import { Link } from '../parts/link.js'
import { useCluster, useStatsWatch } from '../context.js'
import { concernsInstance } from '../model/complaints.js'
import { plain } from '../model/format.js'
import { odditiesOf, versionsOf } from '../model/hosts.js'
import { filterOf, rowsOf } from '../model/node-rows.js'
import { ofInstance } from '../model/selection.js'
import { HostEvents } from '../hosts/events.js'
import { Connection, Identity, NodeCounts, Oddities } from '../hosts/facts.js'
import { RefreshLine } from '../parts/refresh-line.js'
import { useHosts, useHostStats } from '../hosts/stats.js'
import { Details, Uses } from '../hosts/uses.js'
import { NodeTable } from '../nodes/table.js'
import { NodeActions } from '../parts/actions.js'
import { Complaints } from '../parts/complaints.js'
import { Page } from '../parts/page.js'

/** One host: what it has and uses, its nodes, and what has happened there. */
export function Host({ name }: { name: string }) {
  useStatsWatch()
  const { value, ...how } = useHostStats(name)
  const hosts = useHosts(value)
  const host = hosts.find(one => one.name === name)
  if (!host) {
    return (
      <Page title={plain(name)} help="deployment">
        <p class="notice doubt">
          No host of this name is connected or configured. <Link href="/hosts">All hosts</Link>
        </p>
        <HostEvents name={name} />
      </Page>
    )
  }
  const { instance, nodes, told } = host
  const versions = versionsOf(hosts)
  return (
    <Page title={plain(name)} help="statistics#instances">
      {nodes.length > 0 && <NodeActions of={ofInstance(name, nodes)} />}
      <Complaints about={reason => concernsInstance(reason, name)} />
      <div class="columns">
        <section aria-labelledby="facts">
          <h2 id="facts">Now</h2>
          <Oddities of={odditiesOf(host, versions)} name={name} />
          <dl>
            <dt>State</dt>
            <dd>
              <Connection instance={instance} />
            </dd>
            <dt>Configuration</dt>
            <dd>{instance?.configured === true ? 'part of what is deployed' : 'not part of what is deployed'}</dd>
            <Identity host={host} versions={versions} />
            <dt>Nodes</dt>
            <dd>
              <NodeCounts name={name} nodes={nodes} />
            </dd>
          </dl>
        </section>
        <section aria-labelledby="uses">
          <h2 id="uses">Uses</h2>
          <RefreshLine {...how} />
          {told && <Uses told={told} name={name} at={how.at} />}
        </section>
      </div>
      {told?.stats && <Details stats={told.stats} name={name} />}
      <section aria-labelledby="nodes">
        <h2 id="nodes">Nodes</h2>
        <NodesOf name={name} />
      </section>
      <HostEvents name={name} />
    </Page>
  )
}

const noNodes: never[] = []

function NodesOf({ name }: { name: string }) {
  const nodes = useCluster(cluster => cluster.nodes.get(name)) ?? noNodes
  const stats = useCluster(cluster => cluster.stats)
  const [order, setOrder] = useState(() => filterOf(new URLSearchParams()))
  const rows = useMemo(() => rowsOf([nodes], stats, order), [nodes, stats, order])
  if (rows.length === 0) return <p>None is deployed here.</p>
  return (
    <>
      <NodeTable
        name={`Nodes of ${name}`}
        rows={rows}
        order={order}
        onOrder={change => setOrder({ ...order, ...change })}
        without={['instance']}
      />
      <p>
        <Link href={`/nodes?instance=${encodeURIComponent(name)}`}>Select some of them</Link>
      </p>
    </>
  )
}
