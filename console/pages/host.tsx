import { useMemo, useState } from 'preact/hooks'
import { Link } from 'wouter-preact'
import { useCluster, useStatsWatch } from '../context.js'
import { bytes, plain } from '../model/format.js'
import { archiveText, isOlder, odditiesOf, versionsOf, type HostStats, type InstanceStats } from '../model/hosts.js'
import { filterOf, rowsOf } from '../model/node-rows.js'
import { ofInstance } from '../model/selection.js'
import { UseBar } from '../hosts/bar.js'
import { Connection, Identity, loadText, NodeCounts, Oddities } from '../hosts/facts.js'
import { RefreshLine } from '../hosts/refresh-line.js'
import { useHosts, useHostStats } from '../hosts/stats.js'
import { Disks, Foreign, Interfaces } from '../hosts/tables.js'
import { NodeTable } from '../nodes/table.js'
import { NodeActions } from '../parts/actions.js'
import { AsOf } from '../parts/as-of.js'
import { EventLine } from '../parts/event-line.js'
import { Page } from '../parts/page.js'
import { usePastEvents } from '../parts/past-events.js'

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

function Uses({ told, name, at: latest }: { told: HostStats; name: string; at?: number | undefined }) {
  const { stats, at } = told
  if (!stats) return null
  const { memory_bytes: memory, memory_available_bytes: available, swap_bytes: swap, swap_free_bytes: swapFree } = stats
  return (
    <>
      {isOlder(told, latest) && (
        <p>
          What {plain(name)} has told last: <AsOf at={at} />
        </p>
      )}
      <dl>
        <dt>Load</dt>
        <dd>
          {loadText(stats)} <span class="aside">(1, 5, 15 minutes)</span>
        </dd>
        <dt>Memory</dt>
        <dd>
          <UseBar size={memory} free={available} /> <span class="aside">{bytes(available)} available</span>
        </dd>
        <dt>Swap</dt>
        <dd>{swap === 0 ? 'none' : <UseBar size={swap} free={swapFree} />}</dd>
        {stats.archive && <Archive archive={stats.archive} />}
      </dl>
    </>
  )
}

function Archive({ archive }: { archive: NonNullable<InstanceStats['archive']> }) {
  const { queue, directory, archived, deleted, failures, error } = archive
  return (
    <>
      <dt>Archive</dt>
      <dd>
        {archiveText(archive)}. Since the agent has started {archived} archived, {deleted} deleted.
        {failures > 0 && (
          <>
            {' '}
            <strong>
              Failed {failures} times in a row{error !== undefined && `: ${plain(error)}`}
            </strong>
          </>
        )}
      </dd>
      <dt>Queue</dt>
      <dd>
        <code>{plain(queue)}</code>
      </dd>
      <dt>Logs</dt>
      <dd>
        <code>{plain(directory)}</code>
      </dd>
    </>
  )
}

function Details({ stats, name }: { stats: InstanceStats; name: string }) {
  return (
    <>
      <div class="columns wide">
        <section aria-labelledby="disks">
          <h2 id="disks">Disks</h2>
          <Disks disks={stats.file_systems} name={name} />
        </section>
        <section aria-labelledby="interfaces">
          <h2 id="interfaces">Interfaces</h2>
          <Interfaces interfaces={stats.interfaces} name={name} />
        </section>
      </div>
      {stats.foreign.length > 0 && (
        <section aria-labelledby="foreign">
          <h2 id="foreign">Zeek processes that the agent has not started</h2>
          <Foreign foreign={stats.foreign} name={name} />
        </section>
      )}
    </>
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

const shownFirst = 15

function HostEvents({ name }: { name: string }) {
  const past = usePastEvents({
    types: ['notify_change', 'notify_error', 'notify_agent_hello', 'notify_agent_lost', 'notify_log'],
    instance: name
  })
  const [isAll, setAll] = useState(false)
  const shown = isAll ? past.events : past.events.slice(0, shownFirst)
  const hasMore = shown.length < past.events.length || past.next !== undefined
  return (
    <section aria-labelledby="last">
      <h2 id="last">What happened last</h2>
      {past.failure !== undefined && (
        <p role="alert" class="notice bad">
          What has happened before is not known: {plain(past.failure)}
        </p>
      )}
      {past.isThere && past.events.length === 0 && <p>Nothing that is kept.</p>}
      {!past.isThere && past.failure === undefined && <p aria-busy="true">Reading what has happened…</p>}
      <ol class="events" aria-label={`Events of ${name}, newest first`}>
        {shown.map(event => (
          <EventLine key={event.cursor} event={event} />
        ))}
      </ol>
      {hasMore && (
        <p class="buttons">
          <button
            type="button"
            disabled={past.isBusy}
            onClick={() => {
              if (shown.length === past.events.length) past.more()
              setAll(true)
            }}
          >
            Show more
          </button>
        </p>
      )}
    </section>
  )
}
