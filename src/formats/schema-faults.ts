import { ClusterNode, Instance } from '../../schemas/types.js'
import { everyError } from '../../schemas/validator.js'
import { shown } from './refusal.js'

/** What is wrong with one property, in words for people. */
export interface PropertyFault {
  property: string
  name: string | undefined
  message: string
}

/**
 * Returns what a node's schema refuses. `name` is that of a variable, an option or a script. Members may be missing,
 * since the file may set them elsewhere.
 */
export const nodeFaults = (node: Partial<ClusterNode>): PropertyFault[] =>
  faultsOf(ClusterNode, {
    ...node,
    name: node.name ?? 'a',
    instance: node.instance ?? 'a',
    role: node.role ?? 'WORKER'
  })

/** Returns what an instance's schema refuses. */
export const instanceFaults = (instance: Instance): PropertyFault[] => faultsOf(Instance, instance)

function faultsOf(schema: typeof ClusterNode | typeof Instance, value: object): PropertyFault[] {
  return everyError(schema, value, '').map(({ field, message }) => {
    const [, property = '', rest] = /^\/([^/]*)(?:\/([^]*))?$/.exec(field) ?? []
    const whole: unknown = (value as Record<string, unknown>)[property]
    if (property === 'interface' && /\s/.test(String(whole))) {
      return { property, name: undefined, message: 'one interface per node' }
    }
    if (rest === undefined) return { property, name: undefined, message }
    // A script is identified by its name, not by its place.
    const name: string = Array.isArray(whole) ? whole[Number(rest)] : rest
    return { property, name, message: `${shown(name)} ${message}` }
  })
}
