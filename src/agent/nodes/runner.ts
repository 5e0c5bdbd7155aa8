import type { AssignedNode } from '../../../schemas/agent.js'
import type { NodeStep } from '../../../schemas/operations.js'
import { messageOf } from '../../errors.js'
import type { RuntimeOption } from '../../../schemas/runtime-options.js'
import { prepareChannel } from '../../zeek/channel.js'
import type { ManagedNode } from './managed-node.js'
import type { Origins } from './origin.js'
import { channelOf, inStartOrder } from './zeek-program.js'
import type { SupervisorClient } from './supervisor-client.js'

/** Starts nodes in their order, and stops them in reverse. */
export class Runner {
  #programs: SupervisorClient
  #origins: Origins
  #stopMs: number
  #options: (node: AssignedNode) => readonly RuntimeOption[]
  /** When the stop of each node began, by name. */
  #stopping = new Map<string, number>()

  /**
   * `stopMs`: how long a program may take to end, in milliseconds. `options` returns what a node sets when it starts.
   */
  constructor(
    programs: SupervisorClient,
    origins: Origins,
    { stopMs, options }: { stopMs: number; options: (node: AssignedNode) => readonly RuntimeOption[] }
  ) {
    this.#programs = programs
    this.#origins = origins
    this.#stopMs = stopMs
    this.#options = options
  }

  /** Returns every node that is being stopped, and those of these nodes that start. */
  steps(nodes: readonly ManagedNode[]): NodeStep[] {
    const now = performance.now()
    const starting = nodes.filter(({ status: { node, state } }) => state === 'PENDING' && !this.#stopping.has(node))
    return [
      ...[...this.#stopping].map(([node, since]): NodeStep => ({
        node,
        state: 'stopping',
        seconds: Math.round((now - since) / 1000)
      })),
      ...starting.map(({ node: { name: node }, seconds }): NodeStep => ({ node, state: 'starting', seconds }))
    ]
  }

  /** Stops a program. Resolves when it is gone. */
  async end(name: string): Promise<void> {
    this.#stopping.set(name, performance.now())
    await this.#programs.stop(name, this.#stopMs).finally(() => this.#stopping.delete(name))
  }

  /** Stops nodes. Resolves when all are gone; `gone` gets the name of each once it is. */
  async stop(nodes: readonly ManagedNode[], gone = new Set<string>()): Promise<void> {
    for (const group of inStartOrder(nodes).reverse()) {
      await Promise.all(
        group.map(async ({ node: { name } }) => {
          await this.end(name)
          gone.add(name)
        })
      )
    }
  }

  /**
   * Spawns nodes, for a reason where there is one; does not wait for a node to join. `begun` gets the name of each when
   * its turn has come.
   */
  async start(
    nodes: readonly ManagedNode[],
    begun = new Set<string>(),
    reasons?: ReadonlyMap<string, string>
  ): Promise<void> {
    for (const node of inStartOrder(nodes).flat()) {
      const { name } = node.node
      node.expect(reasons?.get(name))
      node.runtimeOptions = this.#options(node.node)
      begun.add(name)
      try {
        await prepareChannel(channelOf(node.program.cwd), node.runtimeOptions)
        await this.#programs.start({ ...node.program, origin: await this.#origins.of(node.node, node.program) })
      } catch (error) {
        // The others can be started all the same.
        node.refuse(`cannot be started: ${messageOf(error)}`)
      }
    }
  }
}
