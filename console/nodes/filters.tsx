import { useCluster } from '../context.js'
import { compareNames } from '../model/cluster.js'
import { managementRoles, nodeRoles, statesIn, type NodeFilter } from '../model/node-rows.js'
import { toneOf } from '../model/states.js'
import { StateMark } from '../parts/state-mark.js'

interface Props {
  filter: NodeFilter
  onChange: (change: Partial<NodeFilter>) => void
}

/** Which nodes are listed: by text, role, state and instance. */
export function NodeFilters({ filter, onChange }: Props) {
  const nodes = useCluster(cluster => cluster.nodes)
  const instances = useCluster(cluster => cluster.instances)
  const { text, roles, states, instance } = filter
  const names = [...new Set([...instances.keys(), ...nodes.keys(), ...(instance === '' ? [] : [instance])])]
  const isFiltered = text !== '' || roles.length > 0 || states.length > 0 || instance !== ''
  return (
    <form class="filters" role="search" aria-label="Nodes" onSubmit={event => event.preventDefault()}>
      <label>
        Text
        <input
          type="search"
          value={text}
          placeholder="name, host or reason"
          onInput={event => onChange({ text: event.currentTarget.value })}
        />
      </label>
      <label>
        Host
        <select value={instance} onChange={event => onChange({ instance: event.currentTarget.value })}>
          <option value="">all</option>
          {names.sort(compareNames).map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <Choices
        legend="Role"
        all={[...nodeRoles, ...managementRoles]}
        chosen={roles}
        onChange={roles => onChange({ roles })}
      />
      <Choices
        legend="State"
        all={statesIn(nodes.values(), states)}
        chosen={states}
        hasMarks
        onChange={states => onChange({ states })}
      />
      {isFiltered && (
        <button type="button" onClick={() => onChange({ text: '', roles: [], states: [], instance: '' })}>
          Show all
        </button>
      )}
    </form>
  )
}

function Choices({
  legend,
  all,
  chosen,
  hasMarks = false,
  onChange
}: {
  legend: string
  all: readonly string[]
  chosen: readonly string[]
  hasMarks?: boolean
  onChange: (chosen: string[]) => void
}) {
  return (
    <fieldset class="choices">
      <legend>{legend}</legend>
      {all.map(one => (
        <label key={one} class="check">
          <input
            type="checkbox"
            checked={chosen.includes(one)}
            onChange={() => onChange(chosen.includes(one) ? chosen.filter(other => other !== one) : [...chosen, one])}
          />
          {hasMarks && <StateMark tone={toneOf(one)} />} {one}
        </label>
      ))}
    </fieldset>
  )
}
