import type { Arguments, ClusterRequest } from '../../../schemas/api.js'
import type { ClusterConfiguration, Outcome } from '../../../schemas/types.js'
import { failed, type Answer, type Task } from '../../requests/task.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Deployer } from '../cluster/deployer.js'
import { Shares } from '../cluster/shares.js'
import type { Fleet } from '../fleet.js'
import { askNodes } from './ask.js'

interface PlansParts {
  cluster: Cluster
  fleet: Fleet
  deployer: Deployer
}

/** Tells what deployments would do. */
export class Plans {
  #parts: PlansParts

  constructor(parts: PlansParts) {
    this.#parts = parts
  }

  /** Asks each instance what deploying a configuration would do to its nodes. None is touched. */
  async plan(
    configuration: ClusterConfiguration | undefined,
    { force = false }: Arguments<'plan'>,
    task: Task
  ): Promise<Answer> {
    const { cluster, fleet, deployer } = this.#parts
    if (!configuration) return failed('no configuration available to deploy')
    const { errors, reasons: _reasons, ...deployment } = await deployer.plan(configuration)
    if (errors.length > 0) return { results: errors.map(error => ({ success: false, error })) }
    const shares = new Shares(deployment)
    // Agents that lack the layout of these shares ask for it.
    const timedOut = await cluster.offering(shares, () =>
      askNodes(fleet, task, deployment.configuration.nodes, {
        method: 'plan',
        params: (_names, instance) => ({ share: cluster.shareOf(shares, instance), force, refresh: true })
      })
    )
    return { results: [...this.#leaving(shares), { success: true, data: { id: configuration.id } }], timedOut }
  }

  /** Returns why a deployment would not do now what a plan has told; undefined when it would. */
  async deviation(
    { reqid, type, state, results, arguments: { force } }: ClusterRequest,
    configuration: ClusterConfiguration | undefined,
    task: Task
  ): Promise<string | undefined> {
    if (type !== 'plan') return `request ${reqid} is no plan`
    if (state !== 'succeeded') return `plan ${reqid} has not succeeded: not all instances have told what is to be done`
    const now: Outcome[] = []
    const { results: rest } = await this.plan(
      configuration,
      { force: force === true },
      { ...task, progress: (_instance, outcomes) => now.push(...outcomes) }
    )
    const [told, found] = [results, [...now, ...rest]].map(linesOf) as [string[], string[]]
    const others = [...found.filter(line => !told.includes(line)), ...told.filter(line => !found.includes(line))]
    return others.length === 0 ? undefined : `what is to be done has changed since plan ${reqid}: ${others[0]}`
  }

  /** Returns the results of nodes that are deployed and would not be any more. */
  #leaving(next: Shares): Outcome[] {
    const { cluster, fleet } = this.#parts
    const deployed = cluster.shares?.deployment.configuration.nodes ?? []
    const leaving = deployed.filter(({ name, instance }) => next.ownerOf(name) !== instance)
    return leaving.map(({ name: node, instance }): Outcome =>
      fleet.member(instance)
        ? { success: true, instance, node, data: { plan: { action: 'stop', reason: 'not in the configuration' } } }
        : { success: false, instance, node, error: `instance ${instance} is not connected` }
    )
  }
}

/** Returns results of a plan as texts, by which two of them are compared. */
const linesOf = (results: readonly Pick<Outcome, 'instance' | 'node' | 'error' | 'data'>[]): string[] =>
  results.map(({ instance, node, error, data }) => {
    if (node === undefined) return error ?? `configuration ${data?.id}`
    const { action = 'none', reason } = data?.plan ?? {}
    return `${node} on ${instance}: ${error ?? [action, reason].filter(Boolean).join(', ')}`
  })
