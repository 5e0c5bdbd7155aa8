import type { ClusterNode } from '../../../schemas/types.js'

/**
 * How much more each node may tell while a request follows it. Its agent keeps to the same limits: one that does not
 * must not fill the log of events.
 */
export class Ration {
  #left: Map<string, { instance: string; count: number; length: number }>

  /** `nodes` are those that the request is about; each may tell `count` things of `length` UTF-16 code units in all. */
  constructor(nodes: readonly ClusterNode[], count: number, length = Infinity) {
    this.#left = new Map(nodes.map(({ name, instance }) => [name, { instance, count, length }]))
  }

  /** Takes texts that an instance tells of a node. Returns those that it may tell: none for another's node. */
  take(instance: string, node: string, texts: readonly string[]): string[] {
    const left = this.#left.get(node)
    if (left?.instance !== instance) return []
    return texts.filter(text => {
      if (left.count <= 0 || left.length < text.length) return false
      left.count--
      left.length -= text.length
      return true
    })
  }
}
