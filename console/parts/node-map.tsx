import { useMemo, useState } from 'preact/hooks'
import { Link, useLocation } from 'wouter-preact'
import { basePath, useCluster } from '../context.js'
import { compareNames } from '../model/cluster.js'
import { counted } from '../model/format.js'
import { countStates, isAmiss, toneOf } from '../model/states.js'
import type { Node } from '../model/types.js'
import { StateMark } from './state-mark.js'

/** Up to so many nodes each has its name beside it; up to so many a large mark; beyond, a small one. */
const namedMax = 60
const largeMax = 300

const noNodes: readonly Node[] = []
const isOfCluster = ({ mgmt_role: role }: Node) => role === 'NODE'

const isAmissIn = ({ isConnected, nodes }: Omit<Group, 'density'>) =>
  !isConnected || nodes.some(node => isOfCluster(node) && isAmiss(node))

/** Every host with its nodes, each a mark that leads to it. They keep their places, whatever happens to them. */
export function NodeMap() {
  const nodes = useCluster(cluster => cluster.nodes)
  const instances = useCluster(cluster => cluster.instances)
  const [isShort, setShort] = useState(false)
  const groups = [...new Set([...instances.keys(), ...nodes.keys()])].sort(compareNames).map(name => ({
    name,
    nodes: nodes.get(name) ?? noNodes,
    isConnected: instances.get(name)?.connected ?? false
  }))
  const total = groups.reduce((sum, { nodes }) => sum + nodes.filter(isOfCluster).length, 0)
  if (groups.length === 0) {
    return (
      <p>
        No agent has connected yet. <a href="docs/guide/deployment">How hosts are set up</a>
      </p>
    )
  }
  const density = total <= namedMax ? 'named' : total <= largeMax ? 'large' : 'small'
  return (
    <>
      {groups.length > 1 && (
        <label>
          <input type="checkbox" checked={isShort} onChange={() => setShort(!isShort)} /> Only hosts where something is
          amiss
        </label>
      )}
      <ul class={`map ${density}`}>
        {(isShort ? groups.filter(isAmissIn) : groups).map(group => (
          <Host key={group.name} {...group} density={density} />
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

interface Group {
  name: string
  nodes: readonly Node[]
  isConnected: boolean
  density: 'named' | 'large' | 'small'
}

/** Draws a host anew only when something of its own has changed: of a thousand nodes most have not. */
function Host({ name, nodes, isConnected, density }: Group) {
  return useMemo(
    () => <HostGroup name={name} nodes={nodes.filter(isOfCluster)} isConnected={isConnected} density={density} />,
    [name, nodes, isConnected, density]
  )
}

function HostGroup({ name, nodes, isConnected, density }: Group) {
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

function Cells({ name, nodes, density }: Omit<Group, 'isConnected'>) {
  const [, navigate] = useLocation()
  if (nodes.length === 0) return null
  const open = (event: MouseEvent) => {
    const cell = (event.target as Element).closest<HTMLAnchorElement>('a')
    if (!cell || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    navigate(`/nodes/${cell.dataset.node}`)
  }
  return (
    <ul class="cells" aria-label={`Nodes of ${name}`} onKeyDown={moveFocus} onClick={open}>
      {nodes.map(({ node, state, desired_state: desired }, index) => (
        <li key={node}>
          {/* One stop of the tab key for all; arrows lead from one to the next. */}
          <a
            href={`${basePath}/nodes/${node}`}
            data-node={node}
            tabIndex={index === 0 ? 0 : -1}
            title={`${node}: ${state}`}
            aria-label={`${node}: ${state}${desired === 'STOPPED' && state === 'STOPPED' ? ', as wanted' : ''}`}
          >
            <StateMark tone={toneOf(state)} />
            {density === 'named' && <span class="name">{node}</span>}
          </a>
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
