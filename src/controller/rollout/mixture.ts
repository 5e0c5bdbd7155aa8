import { mixedGroups } from '../../groups/elastic.js'
import type { Deployment } from '../../store/configurations.js'
import { groupBy } from '../../util.js'

/**
 * Returns what is deployed when these nodes are as `after` has them, and all others still as `before` had them. They
 * have the layout and the bundle of `after`, but on instances where nothing has changed.
 */
export function mixtureOf(before: Deployment, after: Deployment, changed: ReadonlySet<string>): Deployment {
  const held = before.configuration.nodes.filter(({ name }) => !changed.has(name))
  const nodes = [...after.configuration.nodes.filter(({ name }) => changed.has(name)), ...held]
  const places = new Set(nodes.map(({ instance }) => instance))
  const known = new Set(after.configuration.instances.map(({ name }) => name))
  const leaving = before.configuration.instances.filter(({ name }) => !known.has(name) && places.has(name))
  const mixture = {
    ...after,
    configuration: {
      ...after.configuration,
      instances: [...after.configuration.instances, ...leaving],
      nodes
    },
    located: [...(after.located ?? []), ...(before.located ?? []).filter(name => !known.has(name))],
    held: held.map(({ name }) => name),
    ...elasticIn(before, after, changed)
  }
  const untouched = untouchedIn(mixture, before)
  return untouched.size > 0 ? { ...mixture, before: trimmed(before, untouched) } : mixture
}

/** Returns the elastic groups of a mixture, and their spares. */
function elasticIn(
  before: Deployment,
  after: Deployment,
  changed: ReadonlySet<string>
): Pick<Deployment, 'elastic' | 'spares'> {
  if (!before.elastic && !after.elastic) return {}
  const isChanged = (node: string) => changed.has(node)
  const isHeld = (node: string) => !changed.has(node)
  return {
    elastic: mixedGroups(before.elastic, after.elastic, { isChanged, isHeld }),
    spares: [...(after.spares ?? []).filter(isChanged), ...(before.spares ?? []).filter(isHeld)]
  }
}

/** Returns the instances that have exactly the nodes which they had before, and all of them as they were. */
export function untouchedIn(
  { configuration, held }: Pick<Deployment, 'configuration' | 'held'>,
  before: Deployment
): ReadonlySet<string> {
  const isHeld = new Set(held)
  const were = groupBy(before.configuration.nodes, ({ instance }) => instance)
  const are = [...groupBy(configuration.nodes, ({ instance }) => instance)]
  return new Set(
    are.flatMap(([instance, nodes]) =>
      nodes.length === were.get(instance)?.length && nodes.every(({ name }) => isHeld.has(name)) ? instance : []
    )
  )
}

/** Returns a deployment without what was before it, where none of these instances goes on with that. */
function trimmed({ before, ...deployment }: Deployment, instances: ReadonlySet<string>): Deployment {
  const isNeeded = before !== undefined && [...untouchedIn(deployment, before)].some(name => instances.has(name))
  return isNeeded ? { ...deployment, before } : deployment
}
