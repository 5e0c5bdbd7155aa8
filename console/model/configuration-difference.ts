import type { Schema } from './types.js'

export type Configuration = Pick<Schema['ClusterConfiguration'], 'instances' | 'nodes' | 'captures'>
type ConfiguredNode = Configuration['nodes'][number]

/** A field that is another one. Undefined: it is not there. */
export interface Change {
  /** For example `interface`, `options AF_Packet::fanout_id`. */
  field: string
  before: string | undefined
  after: string | undefined
}

export interface Changed {
  name: string
  changes: readonly Change[]
}

/**
 * What a configuration has of nodes or instances, compared with another one; each in the order of the configuration.
 */
export interface ListDifference {
  added: readonly string[]
  removed: readonly string[]
  changed: readonly Changed[]
  unchanged: readonly string[]
}

export interface Difference {
  nodes: ListDifference
  instances: ListDifference
  /** Whether what every node reads of the others is another one: then all of them are started anew. */
  isLayoutOther: boolean
}

/**
 * Returns what is different in a configuration from the one before it, if there was one. Both are as a deployment makes
 * them, with addresses and ports.
 */
export function differenceOf(before: Configuration | undefined, after: Configuration): Difference {
  return {
    nodes: listDifference(before?.nodes ?? [], after.nodes),
    instances: listDifference(before?.instances ?? [], after.instances),
    isLayoutOther: before !== undefined && layoutOf(before) !== layoutOf(after)
  }
}

function listDifference(before: readonly { name: string }[], after: readonly { name: string }[]): ListDifference {
  const known = new Map(before.map(one => [one.name, one]))
  const kept = new Set(after.map(({ name }) => name))
  const compared = after.flatMap(one => {
    const earlier = known.get(one.name)
    return earlier ? [{ name: one.name, changes: changesOf(earlier, one) }] : []
  })
  return {
    added: after.filter(({ name }) => !known.has(name)).map(({ name }) => name),
    removed: before.filter(({ name }) => !kept.has(name)).map(({ name }) => name),
    changed: compared.filter(({ changes }) => changes.length > 0),
    unchanged: compared.filter(({ changes }) => changes.length === 0).map(({ name }) => name)
  }
}

/** Maps are compared entry by entry, lists as a whole: the order of scripts matters. */
function changesOf(before: object, after: object): Change[] {
  const [one, other] = [flat(before), flat(after)]
  return [...new Set([...one.keys(), ...other.keys()])]
    .filter(field => one.get(field) !== other.get(field))
    .map(field => ({ field, before: one.get(field), after: other.get(field) }))
}

/** Returns the fields of a node or instance, each as a text. What is empty counts as absent. */
function flat(of: object): Map<string, string> {
  return new Map(
    Object.entries(of).flatMap(([field, value]): [string, string][] => {
      if (value === undefined || value === null) return []
      if (Array.isArray(value)) return value.length === 0 ? [] : [[field, value.join(' ')]]
      if (typeof value !== 'object') return [[field, String(value)]]
      return Object.entries(value as object).map(([key, text]) => [`${field} ${key}`, String(text)])
    })
  )
}

/** What each node reads of all: who they are, and where. Nodes of instances whose address is not known are left out. */
function layoutOf({ instances, nodes }: Configuration): string {
  const hosts = new Map(instances.map(({ name, host }) => [name, host]))
  const entry = ({ name, instance, role, port, metrics_port: metricsPort }: ConfiguredNode) => {
    const host = hosts.get(instance)
    return host === undefined ? [] : [[name, role, host, port, metricsPort].join(' ')]
  }
  return nodes.flatMap(entry).join('\n')
}
