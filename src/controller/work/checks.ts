import type { Arguments } from '../../../schemas/api.js'
import type { ClusterNode } from '../../../schemas/types.js'
import type { Deployment } from '../../store/configurations.js'
import { failed, type Answer, type Task } from '../../requests/task.js'
import { groupBy } from '../../util.js'
import { askNodes } from './ask.js'
import { Replays } from './replays.js'
import type { Fleet } from '../fleet.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Plan } from '../cluster/plan.js'
import { select } from '../cluster/selection.js'
import { Shares } from '../cluster/shares.js'

/** Has the agents check whether nodes would run. Running nodes are not touched. */
export class Checks {
  #fleet: Fleet
  #cluster: Cluster
  #replays: Replays

  constructor(fleet: Fleet, cluster: Cluster) {
    this.#fleet = fleet
    this.#cluster = cluster
    this.#replays = new Replays(fleet, cluster)
  }

  /** Checks the selected nodes, as planned or as deployed, and has captures read as one that passes. */
  async check(
    plan: Plan | Deployment | undefined,
    { require, ...selector }: Omit<Arguments<'check'>, 'deployed'>,
    task: Task
  ): Promise<Answer> {
    if (!plan) return failed('no configuration available to check')
    if ('errors' in plan && plan.errors.length > 0) {
      return { results: plan.errors.map(error => ({ success: false, error })) }
    }
    const { selected, unknown } = select(selector, plan.configuration)
    const shares = new Shares(plan)
    const failing = new Set<string | undefined>()
    const late = await this.run(shares, selected, {
      ...task,
      progress: (instance, outcomes) => {
        for (const { node, success } of outcomes) if (!success) failing.add(node)
        task.progress(instance, outcomes)
      }
    })
    const passing = selected.filter(({ name }) => !failing.has(name))
    // Who checks managers alone does not ask for captures.
    const isWanted = require !== undefined || selected.some(({ role }) => role === 'WORKER')
    const { results, timedOut = false } =
      task.signal.aborted || !isWanted
        ? { results: [] }
        : await this.replay(shares, passing, require === 'captures', task)
    return { results: [...unknown, ...results], timedOut: late || timedOut, warnings: this.warnings(shares) }
  }

  /** Checks nodes, reporting one outcome each as progress. Resolves with whether an instance did not answer in time. */
  async run(shares: Shares, nodes: readonly ClusterNode[], task: Task): Promise<boolean> {
    const beside = processesBeside(this.#fleet)
    // Agents that lack the layout of these shares ask for it.
    return await this.#cluster.offering(shares, () =>
      askNodes(this.#fleet, task, nodes, {
        method: 'check',
        params: (names, instance) => ({
          share: shares.of(instance, new Set()),
          nodes: names,
          processes: beside(instance)
        })
      })
    )
  }

  /** Has captures read as one of these nodes. Returns the result, if there is any. */
  async replay(shares: Shares, nodes: readonly ClusterNode[], isRequired: boolean, task: Task): Promise<Answer> {
    return await this.#replays.run(shares, nodes, isRequired, task)
  }

  /** Returns warnings of nodes of different versions, which may not understand each other. */
  warnings(shares: Shares): string[] {
    const members = shares.names.flatMap(name => this.#fleet.member(name)?.hello ?? [])
    const versions = groupBy(
      members.filter(({ zeek_version: version }) => version !== undefined),
      ({ zeek_version: version }) => version
    )
    const each = [...versions].map(([version, of]) => `${version} (${of.map(({ name }) => name).join(', ')})`)
    return each.length > 1 ? [`instances have different versions of Zeek: ${each.join(', ')}`] : []
  }
}

/**
 * Returns a function that returns the PIDs of nodes on an instance's machine: the next deployment may give their ports
 * to other nodes.
 */
export function processesBeside(fleet: Fleet): (instance: string) => number[] {
  const beside = groupBy(fleet.connected(), ({ machine }) => machine)
  return instance => {
    const member = fleet.member(instance)
    const on = (member && beside.get(member.machine)) ?? []
    return on.flatMap(({ statuses }) =>
      [...statuses.values()].flatMap(({ mgmt_role: role, pid }) => (role === 'NODE' ? (pid ?? []) : []))
    )
  }
}
