import { hasLabels, type Labels } from '../../schemas/groups.js'
import type { ClusterConfiguration } from '../../schemas/types.js'
import { compare } from '../util.js'
import { Names } from './names.js'

/** What is in a scope as long as this is deployed. */
interface Extent {
  of: ClusterConfiguration | undefined
  instances: ReadonlySet<string>
  nodes: ReadonlySet<string>
  /** The names and the hosts of all others: made when a text is looked at. */
  others: () => Names
}

const nothing: ReadonlySet<string> = new Set()

/**
 * The one rule of which instances a caller sees and reaches: without labels all; with labels those that have all of
 * them in what is deployed now, with their nodes. An instance that is not deployed has no labels. Nothing is kept from
 * what was deployed before: who is limited sees the past of an instance while it is in the scope.
 */
export class Scope {
  /** The labels; undefined where nothing is limited. */
  readonly labels: Labels | undefined
  /** Equal for scopes of the same labels. */
  readonly key: string
  #deployed: () => ClusterConfiguration | undefined
  #extent: Extent | undefined

  /** `deployed` returns what is deployed: the same object as long as it is that. */
  constructor(labels: Labels | undefined, deployed: () => ClusterConfiguration | undefined) {
    this.labels = labels
    this.key = keyOf(labels)
    this.#deployed = deployed
  }

  hasInstance(name: string): boolean {
    return this.labels === undefined || this.#now.instances.has(name)
  }

  hasNode(name: string): boolean {
    return this.labels === undefined || this.#now.nodes.has(name)
  }

  /** What is deployed: as long as that is the same, the same is in the scope. */
  get basis(): unknown {
    return this.#deployed()
  }

  /** Whether nothing that is deployed is in the scope. */
  get isEmpty(): boolean {
    return this.#now.instances.size === 0
  }

  /** Returns whether an instance of this scope has all of some labels. */
  hasLabelled(labels: Labels): boolean {
    const { of, instances } = this.#now
    return of?.instances.some(instance => instances.has(instance.name) && hasLabels(instance, labels)) ?? false
  }

  /**
   * Returns a configuration as if nothing else were there: its instances and nodes that are in the scope. Undefined
   * where there are none.
   */
  narrowed(configuration: ClusterConfiguration | undefined): ClusterConfiguration | undefined {
    if (this.labels === undefined || !configuration) return configuration
    const { id, bundle } = configuration
    const instances = configuration.instances.filter(({ name }) => this.hasInstance(name))
    if (instances.length === 0) return undefined
    const nodes = configuration.nodes.filter(({ instance }) => this.hasInstance(instance))
    return { id, ...(bundle === undefined ? {} : { bundle }), instances, nodes }
  }

  /** Returns the names in a text of what is deployed and not in the scope. */
  othersIn(text: string): ReadonlySet<string> {
    return this.labels === undefined ? nothing : this.#now.others().in(text)
  }

  /**
   * Returns a value without the names of what is deployed and not in the scope: `…` is in their place in each of its
   * texts. `but`: what the reader has named itself, and is not to be told by this that it is there.
   */
  hidingOthers<T>(value: T, but: ReadonlySet<string> = nothing): T {
    if (this.labels === undefined) return value
    const others = this.#now.others()
    const hide = (value: unknown): unknown => {
      if (typeof value === 'string') return others.hiddenIn(value, but)
      if (Array.isArray(value)) return value.map(hide)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, hide(member)]))
    }
    return hide(value) as T
  }

  get #now(): Extent {
    const deployed = this.#deployed()
    if (this.#extent && this.#extent.of === deployed) return this.#extent
    return (this.#extent = extentOf(this.labels ?? {}, deployed))
  }
}

/** Returns a text that is equal for equal labels, and for no others. */
export function keyOf(labels: Labels | undefined): string {
  return labels ? JSON.stringify(Object.entries(labels).sort(([a], [b]) => compare(a, b))) : ''
}

function extentOf(labels: Labels, deployed: ClusterConfiguration | undefined): Extent {
  const { instances = [], nodes = [] } = deployed ?? {}
  const seen = instances.filter(instance => hasLabels(instance, labels))
  const names = new Set(seen.map(({ name }) => name))
  const own = new Set(nodes.filter(({ instance }) => names.has(instance)).map(({ name }) => name))
  let others: Names | undefined
  const makeOthers = () => {
    // Instances on one host share its address.
    const hosts = new Set(seen.map(({ host }) => host))
    return new Names([
      ...instances
        .filter(({ name }) => !names.has(name))
        .flatMap(({ name, host }) => (host === undefined || hosts.has(host) ? [name] : [name, host])),
      ...nodes.map(({ name }) => name).filter(name => !own.has(name))
    ])
  }
  return { of: deployed, instances: names, nodes: own, others: () => (others ??= makeOthers()) }
}
