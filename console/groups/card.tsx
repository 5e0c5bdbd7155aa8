import { useMemo, useRef, useState } from 'preact/hooks'
import { useCluster } from '../context.js'
import { counted, plain } from '../model/format.js'
import {
  labelsText,
  nodesOf,
  pinnings,
  runningText,
  workersText,
  type ElasticGroup,
  type GroupOfWorkers
} from '../model/groups.js'
import { countStates, isAmiss, toneOf } from '../model/states.js'
import type { Node } from '../model/types.js'
import { Link } from '../parts/link.js'
import { StateMark } from '../parts/state-mark.js'
import { Ago } from '../parts/time.js'
import { GroupWorkers } from './workers.js'

const instancesShown = 4
const pinningsShown = 3
const amissShown = 5
const elasticShown = 5

/**
 * A group in short: how its workers are, where they are and on which CPUs; and each of them, with why, behind a click.
 * `elastic`: how it is on the instances where not all of them need run.
 */
export function GroupCard({ of, elastic }: { of: GroupOfWorkers; elastic: readonly ElasticGroup[] }) {
  const { group, workers, byInstance } = of
  const nodes = useNodesOf(of)
  const pinned = useMemo(() => pinnings(workers), [workers])
  const instances = [...byInstance.keys()]
  const missing = workers.length - nodes.length
  const labels = labelsText(group)
  return (
    <li class="card group-card">
      <h2>{plain(group.name)}</h2>
      <p class="counts">
        {counted(workers.length, 'worker')}
        {countStates(nodes).map(([state, number]) => (
          <span key={state} class="state">
            <StateMark tone={toneOf(state)} /> {number} {state}
          </span>
        ))}
        {missing > 0 && <span class="aside">{missing} not deployed</span>}
      </p>
      <Amiss nodes={nodes} />
      <dl>
        <dt>Interface</dt>
        <dd>{plain(group.interface)}</dd>
        <dt>Hosts</dt>
        <dd>
          {instances.length > instancesShown && `${instances.length}: `}
          {instances.slice(0, instancesShown).map((name, index) => (
            <span key={name}>
              {index > 0 && ', '}
              <Link href={`/hosts/${encodeURIComponent(name)}`}>{plain(name)}</Link>
            </span>
          ))}
          {instances.length > instancesShown && ' …'}
          {labels !== undefined && <span class="aside"> by {plain(labels)}</span>}
        </dd>
        <dt>Of each host</dt>
        <dd>
          {workersText(group, counted)}
          {group.numa !== undefined && `, on NUMA node ${group.numa}`}
        </dd>
        <dt>CPUs</dt>
        <dd>
          {pinned.slice(0, pinningsShown).map(({ cpus, instances: on }) => (
            <div key={cpus}>
              {cpus === '' ? 'not pinned' : cpus}
              {pinned.length > 1 && (
                <span class="aside"> on {on.length === 1 ? plain(on[0]!) : counted(on.length, 'host')}</span>
              )}
            </div>
          ))}
          {pinned.length > pinningsShown && <div class="aside">and others on others</div>}
        </dd>
      </dl>
      <Elastic of={elastic} />
      <Drift of={of} />
      <Workers of={of} />
    </li>
  )
}

/** Returns the nodes that a group has become; the same array while none of them is another. */
function useNodesOf(of: GroupOfWorkers): readonly Node[] {
  const last = useRef<readonly Node[]>([])
  return useCluster(cluster => {
    const now = nodesOf(of, cluster.nodes)
    const isSame = now.length === last.current.length && now.every((node, index) => node === last.current[index])
    return isSame ? last.current : (last.current = now)
  })
}

function Amiss({ nodes }: { nodes: readonly Node[] }) {
  const amiss = nodes.filter(isAmiss)
  if (amiss.length === 0) return null
  return (
    <ul class="oddities" aria-label="Workers that are not as wanted">
      {amiss.slice(0, amissShown).map(({ node, state, reason }) => (
        <li key={node}>
          <StateMark tone={toneOf(state)} /> <Link href={`/nodes/${encodeURIComponent(node)}`}>{plain(node)}</Link>{' '}
          {state}
          {reason !== undefined && reason !== '' && `: ${plain(reason)}`}
        </li>
      ))}
      {amiss.length > amissShown && <li>and {amiss.length - amissShown} more</li>}
    </ul>
  )
}

/** How many workers run, and why one was last started or stopped: where that was last first. */
function Elastic({ of }: { of: readonly ElasticGroup[] }) {
  if (of.length === 0) return null
  const latest = [...of].sort((a, b) => compareTimes(b.changed_at, a.changed_at))
  return (
    <ul class="oddities" aria-label="Workers by what there is to do">
      {latest.slice(0, elasticShown).map(group => (
        <li key={group.instance}>
          <Link href={`/hosts/${encodeURIComponent(group.instance)}`}>{plain(group.instance)}</Link>:{' '}
          {runningText(group)}
          {group.changed_at !== undefined && group.reason !== undefined && (
            <span class="aside">
              {' '}
              <Ago at={Date.parse(group.changed_at)} />: {plain(group.reason)}
            </span>
          )}
        </li>
      ))}
      {latest.length > elasticShown && <li>and {latest.length - elasticShown} more hosts</li>}
    </ul>
  )
}

const compareTimes = (a = '', b = '') => Number(a > b) - Number(a < b)

/** What a deployment now would make otherwise. */
function Drift({ of: { workers, added, removed } }: { of: GroupOfWorkers }) {
  const moved = workers.filter(({ instead }) => instead !== undefined).length
  const parts = [
    ...(added > 0 ? [`add ${counted(added, 'worker')}`] : []),
    ...(removed > 0 ? [`leave out ${counted(removed, 'worker')}`] : []),
    ...(moved > 0 ? [`move ${counted(moved, 'worker')}`] : [])
  ]
  if (parts.length === 0) return null
  return (
    <p>
      <StateMark tone="doubt" /> A deployment now would {parts.join(', ')}. <Link href="/deploy">Deploy</Link>
    </p>
  )
}

/** They are drawn only when they are looked at. */
function Workers({ of }: { of: GroupOfWorkers }) {
  const [isOpen, setOpen] = useState(false)
  if (of.workers.length === 0) return null
  return (
    <details onToggle={event => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
      <summary>Each worker, and why it is there</summary>
      {isOpen && <GroupWorkers of={of} />}
    </details>
  )
}
