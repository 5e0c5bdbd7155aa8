import type { Arguments, Selector } from '../../schemas/api.js'
import { clusterRoles, type DesiredState, type Node, type Outcome } from '../../schemas/types.js'
import { failed, type Answer, type Task } from '../task.js'
import { askNodes } from './ask.js'
import type { Deployer } from './deployer.js'
import type { Fleet } from './fleet.js'
import { select } from './selection.js'

const noCluster = 'no active cluster deployment'

/** Nodes in the groups in which they are restarted: by role, in the order in which roles start, and no more than so many. */
export function steps (nodes: readonly Node[], maxParallel: number): Node[][] {
  return clusterRoles.flatMap(role => {
    const ofRole = nodes.filter(node => node.role === role)
    return Array.from({ length: Math.ceil(ofRole.length / maxParallel) }, (_, n) => ofRole.slice(n * maxParallel, (n + 1) * maxParallel))
  })
}

/** Starting and stopping nodes of what is deployed. */
export class Operations {
  #fleet: Fleet
  #deployer: Deployer

  constructor (fleet: Fleet, deployer: Deployer) {
    this.#fleet = fleet
    this.#deployer = deployer
  }

  start (selector: Selector, task: Task): Promise<Answer> { return this.#desire('RUNNING', 'start', selector, task) }
  stop (selector: Selector, task: Task): Promise<Answer> { return this.#desire('STOPPED', 'stop', selector, task) }

  /** Restarts nodes. Those that are to be stopped are left out, and told of when they were named. */
  async restart ({ strategy = 'at_once', max_parallel: maxParallel = 1, ...selector }: Arguments<'restart'>, task: Task): Promise<Answer> {
    const { configuration } = this.#deployer.deployment ?? {}
    if (this.#fleet.connected().length === 0) return failed('no instances connected')
    if (!configuration) return failed(noCluster)
    const { selected, unknown } = select(selector, configuration)
    const wanted = selected.filter(({ name }) => this.#deployer.desired(name) === 'RUNNING')
    const stopped: Outcome[] = selected.filter(node => !wanted.includes(node) && selector.nodes?.includes(node.name))
      .map(({ name: node, instance }) => ({ success: false, instance, node, error: `node ${node} was stopped by an operator` }))
    const left = [...unknown, ...stopped]
    if (strategy === 'at_once') return { results: left, timedOut: await askNodes(this.#fleet, task, wanted, { method: 'restart' }) }
    return await this.#roll(steps(wanted, maxParallel), left, task)
  }

  /** How many steps a restart takes: each has its own time. */
  stepsOf ({ strategy, max_parallel: maxParallel = 1, ...selector }: Arguments<'restart'>): number {
    const { configuration } = this.#deployer.deployment ?? {}
    if (strategy !== 'rolling' || !configuration) return 1
    return Math.max(1, steps(select(selector, configuration).selected, maxParallel).length)
  }

  /** One step after the other, the next only when all of the last run again. */
  async #roll (groups: Node[][], left: readonly Outcome[], task: Task): Promise<Answer> {
    let culprit: Outcome | undefined
    for (const [n, group] of groups.entries()) {
      // A step may take its part of what is left, so that one that hangs leaves time to tell.
      const until = { ...task, remainingMs: () => Math.max(1, task.remainingMs() / (groups.length - n)) }
      const late = await askNodes(this.#fleet, until, group, { method: 'restart', heard: outcomes => { culprit ??= outcomes.find(({ success }) => !success) } })
      if (!culprit) continue
      const rest = groups.slice(n + 1).flat().map(({ name: node, instance }): Outcome => ({ success: false, instance, node, error: `not restarted: node ${culprit?.node} has not come back` }))
      return { results: [...left, ...rest], timedOut: late && task.signal.aborted }
    }
    return { results: left }
  }

  /** The wish is kept before anyone hears of it: an agent that is not connected gets it when it comes. */
  async #desire (desired: DesiredState, method: 'start' | 'stop', selector: Selector, task: Task): Promise<Answer> {
    const { configuration } = this.#deployer.deployment ?? {}
    if (!configuration) return failed(noCluster)
    const { selected, unknown } = select(selector, configuration)
    await this.#deployer.desire(selected.map(({ name }) => name), desired)
    return { results: unknown, timedOut: await askNodes(this.#fleet, task, selected, { method }) }
  }
}
