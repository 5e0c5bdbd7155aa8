import { EventEmitter } from 'node:events'
import type { Layout } from './layout.js'
import { error } from './report.js'
import { HOME } from './scripts.js'

const HELLO = `${HOME}/base/frameworks/cluster/main.zeek, line 364`

/** Whom a node sees of its cluster, as Zeek's cluster framework keeps it. */
export class Peers extends EventEmitter<{ up: [name: string] }> {
  readonly name: string
  readonly layout: Layout
  readonly #up = new Set<string>()

  constructor(name: string, layout: Layout) {
    super()
    this.name = name
    this.layout = layout
  }

  /** Another node has said who it is. */
  hello(name: string): void {
    if (name === this.name || this.#up.has(name)) return
    if (!this.layout.nodes.has(name)) return error(`Got Cluster::hello msg from unexpected node: ${name}`, HELLO)
    this.#up.add(name)
    this.emit('up', name)
  }

  bye(name: string): void {
    this.#up.delete(name)
  }

  isManager(name = this.name): boolean {
    return this.layout.nodes.get(name)?.type === 'MANAGER'
  }

  /** Those that are not up: of a manager's, all; of another's, managers. */
  unseen(): string[] {
    return [...this.layout.nodes.keys()].filter(
      name => name !== this.name && !this.#up.has(name) && (this.isManager() || this.isManager(name))
    )
  }
}
