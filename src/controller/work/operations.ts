import type { Arguments, RequestArguments, Selector } from '../../../schemas/api.js'
import type { ClusterConfiguration, ClusterNode, DesiredState, Outcome } from '../../../schemas/types.js'
import type { ElasticChange } from '../../store/configurations.js'
import { failed, noCluster, type Answer, type Task } from '../../requests/task.js'
import { askNodes, tellsSteps } from './ask.js'
import type { Cluster } from '../cluster/cluster.js'
import { timesOf, toRestart } from './durations.js'
import type { Fleet } from '../fleet.js'
import { select, type Selection } from '../cluster/selection.js'
import { stepsOf } from '../rollout/steps.js'

/** Returns the steps of a restart: one with all nodes, unless it is rolling. */
export function restartSteps(
  { strategy, max_parallel: maxParallel = 1 }: Pick<RequestArguments, 'strategy' | 'max_parallel'>,
  nodes: readonly ClusterNode[]
): ClusterNode[][] {
  return strategy === 'rolling' ? stepsOf(nodes, { most: () => maxParallel }) : [[...nodes]]
}

type Reached = ClusterConfiguration | undefined

/** Starts, stops and restarts deployed nodes. */
export class Operations {
  #fleet: Fleet
  #cluster: Cluster

  constructor(fleet: Fleet, cluster: Cluster) {
    this.#fleet = fleet
    this.#cluster = cluster
  }

  /**
   * `deployed`: what is deployed, as far as the caller reaches it. `elastic`: what has become of an elastic group, for
   * whose sake its worker is started or stopped.
   */
  start(selector: Selector, deployed: Reached, task: Task, elastic?: ElasticChange): Promise<Answer> {
    return this.#setDesired('start', deployed && select(selector, deployed), task, elastic)
  }
  stop(selector: Selector, deployed: Reached, task: Task, elastic?: ElasticChange): Promise<Answer> {
    return this.#setDesired('stop', deployed && select(selector, deployed), task, elastic)
  }

  /** Restarts nodes. Nodes that are to be stopped are left out, and reported as failed when the caller named them. */
  async restart(args: Arguments<'restart'>, deployed: Reached, task: Task): Promise<Answer> {
    if (this.#fleet.connected().length === 0) return failed('no instances connected')
    if (!deployed) return failed(noCluster)
    const { selected, unknown } = select(args, deployed)
    const wanted = selected.filter(({ name }) => this.#cluster.desiredStateOf(name) === 'RUNNING')
    const stopped: Outcome[] = selected
      .filter(node => !wanted.includes(node) && args.nodes?.includes(node.name))
      .map(node => refusal(node, this.#cluster.isSpare(node.name) ? 'is a spare: start it' : wasStopped))
    return await this.#roll(restartSteps(args, wanted), [...unknown, ...stopped], task)
  }

  /** Restarts one group after the other, the next only when all nodes of the last run again. */
  async #roll(groups: ClusterNode[][], left: readonly Outcome[], task: Task): Promise<Answer> {
    let culprit: Outcome | undefined
    let timedOut = false
    const times = timesOf(this.#fleet)
    const needs = groups.map(group => toRestart(group, times))
    for (const [n, group] of groups.entries()) {
      // A step gets its proportion of the remaining time, so that one that hangs leaves time to report it.
      const part = needs[n]! / needs.slice(n).reduce((sum, need) => sum + need, 0)
      const until = { ...task, remainingMs: () => Math.max(1, task.remainingMs() * part) }
      const heard = (outcomes: readonly Outcome[]) => {
        culprit ??= outcomes.find(({ success }) => !success)
      }
      timedOut = await askNodes(this.#fleet, until, group, {
        method: 'restart',
        params: nodes => ({ nodes }),
        heard,
        onPart: tellsSteps(this.#fleet, task)
      })
      if (!culprit) continue
      const rest = groups
        .slice(n + 1)
        .flat()
        .map(({ name: node, instance }): Outcome => ({
          success: false,
          instance,
          node,
          error: `not restarted: node ${culprit?.node} has not come back`
        }))
      return { results: [...left, ...rest], timedOut: timedOut && (rest.length === 0 || task.signal.aborted) }
    }
    return { results: left, timedOut }
  }

  /** Stores the desired state before agents receive it: one that is not connected gets it when it connects. */
  async #setDesired(
    method: 'start' | 'stop',
    selection: Selection | undefined,
    task: Task,
    elastic: ElasticChange | undefined
  ): Promise<Answer> {
    const desired: DesiredState = method === 'start' ? 'RUNNING' : 'STOPPED'
    if (!selection) return failed(noCluster)
    const { selected, unknown } = selection
    const names = selected.map(({ name }) => name)
    if (elastic) for (const name of names) await this.#cluster.setSpare(name, desired === 'STOPPED', elastic)
    else await this.#cluster.setDesired(names, desired)
    // One that an operator has stopped meanwhile stays so, whatever an elastic group needs; so does one of no such
    // group.
    const isLeft = ({ name }: ClusterNode) => elastic !== undefined && this.#cluster.desiredStateOf(name) !== desired
    const why = method === 'start' ? wasStopped : 'is in no elastic group any more'
    return {
      results: [...unknown, ...selected.filter(isLeft).map(node => refusal(node, why))],
      timedOut: await askNodes(
        this.#fleet,
        task,
        selected.filter(node => !isLeft(node)),
        { method, params: nodes => ({ nodes }), onPart: tellsSteps(this.#fleet, task) }
      )
    }
  }
}

/** Returns the failure of a node for which nothing is done. */
const refusal = ({ name: node, instance }: ClusterNode, why: string): Outcome => ({
  success: false,
  instance,
  node,
  error: `node ${node} ${why}`
})
const wasStopped = 'was stopped by an operator'
