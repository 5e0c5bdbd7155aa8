import type { Arguments, ClusterRequest, RequestArguments } from '../../../schemas/api.js'
import { rolloutArguments } from '../../../schemas/rollouts.js'
import type { ClusterConfiguration, ClusterNode, Outcome } from '../../../schemas/types.js'
import { failed, type Answer, type Task } from '../../requests/task.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Deployer } from '../cluster/deployer.js'
import { Shares } from '../cluster/shares.js'
import type { Fleet } from '../fleet.js'
import { askPlans, inOrder } from '../rollout/changes.js'
import { stepsOf } from '../rollout/steps.js'
import { paceOf } from '../rollout/strategy.js'
import { defined } from '../../util.js'

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
  async plan(configuration: ClusterConfiguration | undefined, args: Arguments<'plan'>, task: Task): Promise<Answer> {
    const { cluster, fleet, deployer } = this.#parts
    if (!configuration) return failed('no configuration available to deploy')
    const { errors, reasons: _reasons, warnings, ...deployment } = await deployer.plan(configuration, args)
    if (errors.length > 0) return { results: errors.map(error => ({ success: false, error })) }
    const shares = new Shares(deployment)
    const others = deployer.othersThan(shares, args)
    if (typeof others === 'string') return failed(others)
    const nodes = deployment.configuration.nodes.filter(({ name }) => !others.has(name))
    const { told, timedOut } = await askPlans({ cluster, fleet }, { shares, nodes, force: args.force === true }, task)
    const leaving = this.#leaving(shares).filter(({ node }) => !others.has(node!))
    const stepOf = this.#stepsOf(shares, nodes, args, [...told.values(), leaving].flat())
    for (const [instance, outcomes] of told) task.progress(instance, outcomes.map(stepOf))
    return { results: [...leaving.map(stepOf), { success: true, data: { id: configuration.id } }], timedOut, warnings }
  }

  /** Returns a function that adds to the result of a node the step in which it would be changed. */
  #stepsOf(
    shares: Shares,
    nodes: readonly ClusterNode[],
    args: Arguments<'plan'>,
    outcomes: readonly Outcome[]
  ): (outcome: Outcome) => Outcome {
    const { cluster, deployer } = this.#parts
    const isChanged = new Set(
      outcomes.flatMap(({ node, data }) =>
        node !== undefined && data?.plan && data.plan.action !== 'none' ? node : []
      )
    )
    const next = new Set(nodes.map(({ name }) => name))
    const gone = cluster.deployment?.configuration.nodes.filter(({ name }) => !next.has(name)) ?? []
    const [changed, going] = [nodes, gone].map(some => some.filter(({ name }) => isChanged.has(name)))
    const changes = inOrder(changed!, going!)
    const strategy = deployer.strategyOf(args, shares)
    const steps = strategy === 'at_once' ? [changes] : stepsOf(changes, paceOf(args, strategy))
    const places = new Map(steps.flatMap((step, n) => step.map(({ name }) => [name, n + 1] as const)))
    return outcome => {
      const { node = '', data } = outcome
      const step = places.get(node)
      return data?.plan ? { ...outcome, data: { ...data, plan: { ...data.plan, ...defined({ step }) } } } : outcome
    }
  }

  /** Returns why a deployment would not do now what a plan has told; undefined when it would. */
  async deviation(
    { reqid, type, state, results, arguments: args }: ClusterRequest,
    configuration: ClusterConfiguration | undefined,
    task: Task
  ): Promise<string | undefined> {
    if (type !== 'plan') return `request ${reqid} is no plan`
    if (state !== 'succeeded') return `plan ${reqid} has not succeeded: not all instances have told what is to be done`
    const now: Outcome[] = []
    const { results: rest } = await this.plan(configuration, argumentsOf(args), {
      ...task,
      progress: (_instance, outcomes) => now.push(...outcomes)
    })
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

/** Returns the arguments of a plan, as a deployment that does what it has told takes them. */
export function argumentsOf({
  force = false,
  rotate_keys: rotate = false,
  ...args
}: RequestArguments): Required<Pick<Arguments<'plan'>, 'force' | 'rotate_keys'>> & Arguments<'plan'> {
  const names = Object.keys(rolloutArguments) as (keyof typeof rolloutArguments)[]
  const given = names.filter(name => args[name] !== undefined)
  return { ...Object.fromEntries(given.map(name => [name, args[name]])), force, rotate_keys: rotate }
}

/** Returns results of a plan as texts, by which two of them are compared. */
const linesOf = (results: readonly Pick<Outcome, 'instance' | 'node' | 'error' | 'data'>[]): string[] =>
  results.map(({ instance, node, error, data }) => {
    if (node === undefined) return error ?? `configuration ${data?.id}`
    const { action = 'none', reason, step } = data?.plan ?? {}
    const place = step === undefined ? '' : `step ${step}`
    return `${node} on ${instance}: ${error ?? [action, reason, place].filter(Boolean).join(', ')}`
  })
