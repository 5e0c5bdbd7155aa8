import { useState } from 'preact/hooks'
import { Link } from './link.js'
import { useCluster } from '../context.js'
import { compareNames, type Cluster } from '../model/cluster.js'
import { counted } from '../model/format.js'
import { countStates, isAmiss, toneOf } from '../model/states.js'
import type { Node } from '../model/types.js'
import { StateMark } from './state-mark.js'

/** Up to so many nodes each has its name beside it; up to so many a large mark; beyond, a small one. */
const namedMax = 60
const largeMax = 300

const noNodes: readonly Node[] = []
const isOfCluster = ({ mgmt_role: role }: Node) => role === 'NODE'

const isAmissIn = ({ instances, nodes }: Cluster, name: string) =>
  !instances.get(name)?.connected || (nodes.get(name) ?? noNodes).some(node => isOfCluster(node) && isAmiss(node))

/** Every host with its nodes, each a mark that leads to it. They keep their places, whatever happens to them. */
export function NodeMap() {
  const [isShort, setShort] = useState(false)
  // As text, which is the same while the names are: each host follows by itself what becomes of it.
  const names = useCluster(({ instances, nodes }) => [...new Set([...instances.keys(), ...nodes.keys()])].join(' '))
  const left = useCluster(cluster =>
    names
      .split(' ')
      .filter(name => !isShort || isAmissIn(cluster, name))
      .join(' ')
  )
  const total = useCluster(({ nodes }) =>
    [...nodes.values()].reduce((sum, group) => sum + group.filter(isOfCluster).length, 0)
  )
  if (names === '') {
    return (
      <p>
        No agent has connected yet. <a href="docs/guide/deployment">How hosts are set up</a>
      </p>
    )
  }
  const density = total <= namedMax ? 'named' : total <= largeMax ? 'large' : 'small'
  return (
    <>
      {names.includes(' ') && (
        <label>
          <input type="checkbox" checked={isShort} onChange={() => setShort(!isShort)} /> Only hosts where something is
          amiss
        </label>
      )}
      <ul class={`map ${density}`}>
        {left
          .split(' ')
          .filter(Boolean)
          .sort(compareNames)
          .map(name => (
            <Host key={name} name={name} density={density} />
          ))}
      </ul>
      <p class="legend" aria-hidden="true">
        {(['RUNNING', 'PENDING', 'STOPPED', 'CRASHED', 'UNKNOWN'] as const).map(state => (
          <span key={state} class="state">
            <StateMark tone={toneOf(state)} /> {state === 'CRASHED' ? 'CRASHED, FAILED' : state}
          </span>
        ))}
      </p>
    </>
  )
}

interface HostProps {
  name: string
  density: 'named' | 'large' | 'small'
}

function Host({ name, density }: HostProps) {
  const isConnected = useCluster(({ instances }) => instances.get(name)?.connected ?? false)
  const nodes = useCluster(cluster => cluster.nodes.get(name) ?? noNodes).filter(isOfCluster)
  const counts = countStates(nodes)
  return (
    <li class="host">
      <h3>
        <Link href={`/hosts/${name}`}>{name}</Link>
        {!isConnected && (
          <span class="state">
            <StateMark tone="doubt" /> not connected
          </span>
        )}
      </h3>
      <p class="sum">
        {nodes.length === 0
          ? 'no nodes'
          : counts.length === 1
            ? `${counted(nodes.length, 'node')}, ${counts[0]![0]}`
            : counts.map(([state, number]) => `${number} ${state}`).join(', ')}
      </p>
      <Cells name={name} nodes={nodes} density={density} />
    </li>
  )
}

function Cells({ name, nodes, density }: HostProps & { nodes: readonly Node[] }) {
  if (nodes.length === 0) return null
  return (
    <ul class="cells" aria-label={`Nodes of ${name}`} onKeyDown={moveFocus}>
      {nodes.map(({ node, state, desired_state: desired }, index) => (
        <li key={node}>
          {/* One stop of the tab key for all; arrows lead from one to the next. */}
          <Link
            href={`/nodes/${node}`}
            tabIndex={index === 0 ? 0 : -1}
            title={`${node}: ${state}`}
            aria-label={`${node}: ${state}${desired === 'STOPPED' && state === 'STOPPED' ? ', as wanted' : ''}`}
          >
            <StateMark tone={toneOf(state)} />
            {density === 'named' && <span class="name">{node}</span>}
          </Link>
        </li>
      ))}
    </ul>
  )
}

function moveFocus(event: KeyboardEvent) {
  const cells = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>('a')]
  const at = cells.indexOf(document.activeElement as HTMLElement)
  const to = {
    ArrowRight: at + 1,
    ArrowDown: at + 1,
    ArrowLeft: at - 1,
    ArrowUp: at - 1,
    Home: 0,
    End: cells.length - 1
  }
  const next = cells[to[event.key as keyof typeof to] ?? -1]
  if (at < 0 || !next) return
  event.preventDefault()
  cells[at]!.tabIndex = -1
  next.tabIndex = 0
  next.focus()
}
