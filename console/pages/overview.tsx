import { Link } from '../parts/link.js'
import { useCluster, useStatsWatch } from '../context.js'
import { bytes, count, counted, lag, percent, plain } from '../model/format.js'
import { lineOf } from '../model/rollout.js'
import { countStates, toneOf } from '../model/states.js'
import type { Health } from '../model/types.js'
import { EventLine } from '../parts/event-line.js'
import { NodeMap } from '../parts/node-map.js'
import { Page } from '../parts/page.js'
import { Sparkline } from '../parts/sparkline.js'
import { StateMark } from '../parts/state-mark.js'

const happenedLast = 12

/** Is the cluster all right, and if not why; and what has happened last. */
export function Overview() {
  useStatsWatch()
  return (
    <Page title="Overview" help="operating#health">
      <HealthCard />
      <UnderWay />
      <Totals />
      <section aria-labelledby="map">
        <h2 id="map">Hosts and nodes</h2>
        <NodeMap />
      </section>
      <Last />
    </Page>
  )
}

/** A deployment in steps that is under way: the line leads to it. */
function UnderWay() {
  const request = useCluster(({ requests }) => [...requests.values()].find(({ rollout }) => rollout !== undefined))
  if (!request?.rollout) return null
  const { reqid, rollout } = request
  return (
    <section aria-labelledby="under-way">
      <h2 id="under-way">
        <StateMark tone={rollout.phase === 'reverting' ? 'bad' : 'busy'} /> A deployment is under way
      </h2>
      <p class="text" aria-live="polite">
        <Link href={`/requests/${reqid}`}>{lineOf(rollout)}</Link>
      </p>
      <progress max={rollout.total} value={rollout.done} aria-label="Nodes that are changed, and healthy" />
    </section>
  )
}

function HealthCard() {
  const health = useCluster(({ health }) => health)
  const nodes = useCluster(cluster => cluster.nodes)
  const all = [...nodes.values()].flat().filter(({ mgmt_role: role }) => role === 'NODE')
  if (!health) return <p aria-busy="true">Asking how the cluster is…</p>
  return (
    <section class={`health ${health.ready ? 'good' : 'bad'}`} aria-labelledby="health">
      <h2 id="health">
        <StateMark tone={health.ready ? 'good' : 'bad'} />{' '}
        <span aria-live="polite">
          {health.ready ? 'The cluster does its work' : 'The cluster does not do its work'}
        </span>
      </h2>
      <p class="counts">
        {counted(all.length, 'node')}
        {countStates(all).map(([state, number]) => (
          <Link key={state} href={`/nodes?state=${state}`} class="state">
            <StateMark tone={toneOf(state)} /> {number} {state}
          </Link>
        ))}
      </p>
      {!health.ready && <Reasons reasons={health.reasons} />}
    </section>
  )
}

/** More of them are behind a click. */
const reasonsShown = 8

function Reasons({ reasons }: Pick<Health, 'reasons'>) {
  const items = reasons.map(({ code, message, node, instance }) => (
    <li key={`${code} ${instance} ${node}`}>
      {plain(message)} {node !== undefined && <Link href={`/nodes/${node}`}>Show {node}</Link>}
      {node === undefined && instance !== undefined && <Link href={`/hosts/${instance}`}>Show {instance}</Link>}
      {code === 'not_deployed' && <Link href="/deploy">Deploy a configuration</Link>}
      {code === 'rollout_interrupted' && <Link href="/revisions">Revisions</Link>}
      {code === 'redeploy_needed' && <Link href="/deploy">Deploy again</Link>}
    </li>
  ))
  return (
    <>
      <ul class="reasons">{items.slice(0, reasonsShown)}</ul>
      {items.length > reasonsShown && (
        <details>
          <summary>{counted(items.length - reasonsShown, 'more reason')}</summary>
          <ul class="reasons">{items.slice(reasonsShown)}</ul>
        </details>
      )}
    </>
  )
}

function Totals() {
  const totals = useCluster(cluster => cluster.totals)
  const last = totals.at(-1)
  return (
    <section aria-labelledby="totals">
      <h2 id="totals">All nodes together</h2>
      {last === undefined ? (
        <p>Samples come every ten seconds while somebody looks.</p>
      ) : (
        <ul class="sparklines">
          <Sparkline name="Packets" totals={totals} of={({ packets }) => packets} text={value => `${count(value)}/s`} />
          <Sparkline name="Dropped" totals={totals} of={({ drop }) => drop} text={percent} tone="bad" />
          <Sparkline name="Lag" totals={totals} of={({ lag: seconds }) => seconds} text={lag} />
          <Sparkline name="CPU" totals={totals} of={({ cpu }) => cpu} text={percent} />
          <Sparkline name="Memory" totals={totals} of={({ memory }) => memory} text={bytes} />
        </ul>
      )}
    </section>
  )
}

function Last() {
  const recent = useCluster(cluster => cluster.recent)
  return (
    <section aria-labelledby="last">
      <h2 id="last">What happened last</h2>
      {recent.length === 0 && <p>Nothing that is kept.</p>}
      <ol class="events">
        {recent.slice(0, happenedLast).map(event => (
          <EventLine key={event.cursor} event={event} />
        ))}
      </ol>
      <p>
        <Link href="/events">All events</Link>
      </p>
    </section>
  )
}
