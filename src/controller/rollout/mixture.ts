import type { Deployment } from '../../store/configurations.js'

/**
 * Returns what is deployed when these nodes are as `after` has them, and all others still as `before` had them. They have
 * the layout and the bundle of `after`, but on instances where nothing has changed.
 */
export function mixtureOf(before: Deployment, after: Deployment, changed: ReadonlySet<string>): Deployment {
  const held = before.configuration.nodes.filter(({ name }) => !changed.has(name))
  const nodes = [...after.configuration.nodes.filter(({ name }) => changed.has(name)), ...held]
  const places = new Set(nodes.map(({ instance }) => instance))
  const known = new Set(after.configuration.instances.map(({ name }) => name))
  const leaving = before.configuration.instances.filter(({ name }) => !known.has(name) && places.has(name))
  return {
    ...after,
    configuration: {
      ...after.configuration,
      instances: [...after.configuration.instances, ...leaving],
      nodes
    },
    located: [...(after.located ?? []), ...(before.located ?? []).filter(name => !known.has(name))],
    held: held.map(({ name }) => name),
    ...(held.length > 0 ? { before: trimmed(before, new Set(held.map(({ name }) => name))) } : {})
  }
}

/** Returns a deployment without what was before it, where no node is held any more that it held. */
function trimmed({ before, ...deployment }: Deployment, held: ReadonlySet<string>): Deployment {
  const isNeeded = before !== undefined && (deployment.held ?? []).some(name => held.has(name))
  return isNeeded ? { ...deployment, before } : deployment
}
