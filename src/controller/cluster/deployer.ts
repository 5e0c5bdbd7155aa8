import type { Logger } from 'pino'
import type { Arguments, RequestArguments } from '../../../schemas/api.js'
import type { DeployStrategy } from '../../../schemas/rollouts.js'
import { type ClusterConfiguration, clusterRoles, type Outcome } from '../../../schemas/types.js'
import { messageOf } from '../../errors.js'
import { failed, timedOut, type Answer, type Task } from '../../requests/task.js'
import { defined, within } from '../../util.js'
import { askInstance, tellsSteps } from '../work/ask.js'
import type { Checks } from '../work/checks.js'
import type { ControllerSettings } from '../config.js'
import { timesOf, toRestart } from '../work/durations.js'
import type { Fleet, Member } from '../fleet.js'
import { expanded, type Expanded } from '../../groups/expansion.js'
import { changesOf } from '../rollout/changes.js'
import { Rollout, type RolloutPlan } from '../rollout/rollout.js'
import { isPartial, outsideOf, type Part } from '../rollout/part.js'
import { isStepwise, strategyOf } from '../rollout/strategy.js'
import type { Cluster, DeploymentRecord } from './cluster.js'
import { whyOutdated } from './outdated.js'
import { plan, type Plan } from './plan.js'
import { portRules } from './ports.js'
import { Shares } from './shares.js'
import { Survey } from './survey.js'
import { isSame, trafficOf, type Traffic } from './traffic.js'

/** A plan for a configuration with groups: `reasons` says by the name of a worker why it runs where it does. */
type Preview = Plan & Pick<Expanded<ClusterConfiguration>, 'reasons'> & Pick<Traffic, 'warnings'>

export interface DeployerOptions {
  settings: ControllerSettings
  cluster: Cluster
  fleet: Fleet
  checks: Checks
  log: Logger
  /** Returns milliseconds since 1970. */
  now: () => number
  /** Reports a problem that needs the attention of operators. */
  complain: (message: string, instance?: string) => void
  /** Called when every instance of the deployed configuration is connected. */
  ready: (instances: readonly string[]) => void
}

/** Brings the agents to the deployed configuration: on request, and whenever one connects. */
export class Deployer {
  #options: DeployerOptions
  #survey: Survey
  /** ID of the request whose deployment is in progress. */
  #pending: string | undefined
  #rollout: Rollout | undefined
  /** Instances that this deployment waits for until they are connected. */
  #awaited = new Set<string>()
  /** Connected instances that could not be brought to the deployed configuration, each with the problem. */
  #unmet = new Map<string, string>()

  constructor(options: DeployerOptions) {
    this.#options = options
    this.#survey = new Survey(options.fleet)
  }

  /** Resumes the current deployment. Call it once, after all listeners of the fleet are registered. */
  open(): void {
    this.#options.fleet.on('connected', member => {
      void this.#meet(member)
    })
    this.#dial()
  }

  /** Instances that need another deployment, each with the reason. */
  get outdated(): ReadonlyMap<string, string> {
    return new Map([...this.#unmet, ...this.#options.cluster.moved()])
  }

  /** Returns a configuration with the workers that its groups would have now. */
  expanded<T extends Pick<ClusterConfiguration, 'groups' | 'instances' | 'nodes'>>(configuration: T): Expanded<T> {
    const topologies = new Map(this.#options.fleet.known().map(({ name, hello }) => [name, hello.topology]))
    return expanded(configuration, name => topologies.get(name))
  }

  /**
   * Returns the nodes, addresses, ports and keys that a deployment with these arguments would use now; `grouped` where
   * it is known already.
   */
  preview(
    staged: ClusterConfiguration,
    args: RequestArguments = {},
    grouped: Expanded<ClusterConfiguration> = this.expanded(staged)
  ): Preview {
    const { settings, cluster } = this.#options
    const { deployment } = cluster
    const rules = portRules(settings, this.#survey.taken(deployment?.skipped), deployment)
    const { configuration, elastic, errors, obstacles, reasons } = grouped
    const made = plan(configuration, cluster.addresses, rules, settings.controller_cluster_backend)
    const traffic = this.#traffic(made, args)
    return {
      ...made,
      layout: { ...made.layout, ...defined({ metrics_host: traffic.metricsHost }) },
      ...defined({ curve: traffic.curve }),
      ...cluster.elasticIn(elastic),
      errors: [...errors, ...obstacles, ...made.errors, ...traffic.errors],
      warnings: traffic.warnings,
      reasons
    }
  }

  /** Returns the same as `preview`, after asking agents which ports of their hosts are taken. */
  async plan(configuration: ClusterConfiguration, args?: RequestArguments): Promise<Preview> {
    await this.#survey.look(configuration.instances, this.#options.cluster.hostOf)
    return this.preview(configuration, args)
  }

  #traffic(made: Plan, args: RequestArguments): Traffic {
    const { settings, cluster } = this.#options
    return trafficOf(
      made,
      {
        settings,
        deployed: cluster.deployment,
        machineOf: name => cluster.addresses.get(name)?.machine
      },
      { rotate: args.rotate_keys === true, isStepwise: isStepwise(args) }
    )
  }

  /**
   * Deploys a configuration, the staged one or that of the revision which the arguments name, unless a node fails its
   * check. Outcomes are reported as progress; the answer holds only what was not.
   */
  async deploy(
    configuration: ClusterConfiguration | undefined,
    args: Arguments<'deploy'>,
    task: Task
  ): Promise<Answer> {
    if (!configuration) return failed('no configuration available to deploy')
    return await this.exclusively(task, () => this.#deploy(configuration, args, task))
  }

  /**
   * Does a job that changes what is deployed, unless another one is in progress. Returns its answer.
   */
  async exclusively({ reqid }: Task, job: () => Promise<Answer>): Promise<Answer> {
    if (this.#pending !== undefined) return failed(`earlier deployment ${this.#pending} still pending`)
    this.#pending = reqid
    try {
      return await job()
    } finally {
      this.#pending = undefined
    }
  }

  async #deploy(configuration: ClusterConfiguration, args: Arguments<'deploy'>, task: Task): Promise<Answer> {
    const { fleet, settings } = this.#options
    const { signal: grace, clear } = within(task.signal, settings.controller_connect_grace * 1000)
    try {
      this.#dial(configuration)
      await this.#locate(configuration, grace)
      if (args.check !== false) await Promise.all(configuration.instances.map(({ name }) => fleet.when(name, grace)))
      const { errors, reasons: _reasons, warnings, ...deployment } = await this.plan(configuration, args)
      // The request has ended: its client would not learn of this deployment.
      if (task.signal.aborted) return timedOut()
      if (errors.length > 0) return { results: errors.map(error => ({ success: false, error })) }
      return await this.#switch(new Shares(deployment), { configuration, args, grace, warnings }, task)
    } finally {
      clear()
      // Whether it succeeded or not: only the instances of the current deployment are dialled.
      this.#dial()
    }
  }

  /** Makes these shares what is deployed, unless nodes fail their check. */
  async #switch(
    shares: Shares,
    {
      configuration,
      args,
      grace,
      warnings: known
    }: {
      configuration: ClusterConfiguration
      args: Arguments<'deploy'>
      grace: AbortSignal
      warnings: readonly string[]
    },
    task: Task
  ): Promise<Answer> {
    const { cluster, checks } = this.#options
    const { force = false, check = true, revision, comment } = args
    const others = this.othersThan(shares, args)
    if (typeof others === 'string') return failed(others)
    const strategy = this.strategyOf(args, shares)
    const skips = strategy !== 'at_once' && args.on_check_failure === 'skip'
    const how = { skips, others, isRequired: args.require === 'captures' }
    const checked = check ? await this.#check(shares, how, task) : { failed: others, replayed: [] }
    if ('answer' in checked) return checked.answer
    const record: DeploymentRecord = {
      configuration,
      time: this.#options.now(),
      who: task.who,
      comment: comment ?? (revision === undefined ? undefined : `revision ${revision} again`),
      reqid: task.reqid,
      nodes: shares.deployment.configuration.nodes.length,
      // Else the next deployment would bring back what this one takes back.
      stages: revision !== undefined
    }
    const warnings = [...known, ...checks.warnings(shares)]
    if (strategy !== 'at_once') {
      const rolled = await this.#roll(shares, { record, args, strategy, skipped: checked.failed }, task)
      return { ...rolled, results: [...checked.replayed, ...rolled.results], warnings }
    }
    const made = await cluster.deploy(shares, record)
    this.#met()
    const timedOut = await this.#distribute(shares, force, grace, task)
    const whole: Outcome = { success: true, data: { id: configuration.id, revision: made } }
    return { results: [...checked.replayed, whole], timedOut, warnings }
  }

  /**
   * Returns how a deployment of these shares would go: there is nothing to go over where nothing is deployed, nor where
   * all nodes get other keys.
   */
  strategyOf(args: RequestArguments, shares: Shares): DeployStrategy {
    const {
      cluster: { deployment },
      settings
    } = this.#options
    return deployment && isSame(deployment.curve, shares.deployment.curve)
      ? strategyOf(args, settings.controller_deploy_strategy)
      : 'at_once'
  }

  /** Returns the names of the nodes that a deployment is not about, or why it is about none. */
  othersThan(shares: Shares, args: Part): ReadonlySet<string> | string {
    const { deployment } = this.#options.cluster
    if (!isPartial(args)) return new Set()
    return deployment
      ? outsideOf(args, deployment.configuration, shares.deployment.configuration)
      : 'the first deployment is of all instances'
  }

  /** What is deployed has changed: what was wrong with it is over, and others are not in it any more. */
  #met(): void {
    this.#unmet.clear()
    this.#tellReady()
    void this.#standDown()
  }

  /** Deploys in steps. */
  async #roll(
    shares: Shares,
    how: Pick<RolloutPlan, 'record' | 'args' | 'strategy' | 'skipped'>,
    task: Task
  ): Promise<Answer> {
    const { cluster, fleet, settings } = this.#options
    const changes = await changesOf({ cluster, fleet }, shares, how, task)
    if ('answer' in changes) return changes.answer
    // The request has ended: its client would not learn of this deployment.
    if (task.signal.aborted) return timedOut()
    const graceMs = settings.controller_connect_grace * 1000
    const after = shares.deployment
    this.#rollout = new Rollout({ cluster, fleet, graceMs }, { after, ...how, ...changes }, task)
    try {
      return await this.#rollout.run()
    } finally {
      this.#rollout = undefined
      this.#met()
    }
  }

  /** Whether what is deployed, or what nodes set while they run, is being changed. */
  get isBusy(): boolean {
    return this.#pending !== undefined
  }

  /** The deployment in steps that is under way. */
  get rollout(): Rollout | undefined {
    return this.#rollout
  }

  /**
   * Where a deployment in steps has stopped that is not under way any more, with what to do; undefined when none has.
   */
  get interrupted(): string | undefined {
    const { deployment, revision } = this.#options.cluster
    if (!deployment?.rollout || this.#rollout) return undefined
    const { step, of, before } = deployment.rollout
    const back = before === undefined ? '' : `, or revision ${before} to go back`
    return `revision ${revision} is deployed up to step ${step} of ${of}: deploy it again to go on${back}`
  }

  /**
   * Checks the nodes of connected instances, but for others, and has captures read as one that passes. Reports those
   * that fail as progress, and returns their names, and of those others, if the deployment goes on without them;
   * returns an answer if it must not go on.
   */
  async #check(
    shares: Shares,
    { skips, others, isRequired }: { skips: boolean; others: ReadonlySet<string>; isRequired: boolean },
    task: Task
  ): Promise<{ failed: ReadonlySet<string>; replayed: readonly Outcome[] } | { answer: Answer }> {
    const { fleet, checks } = this.#options
    const nodes = shares.names
      .flatMap(instance => (fleet.member(instance) ? shares.nodes(instance) : []))
      .filter(({ name }) => !others.has(name))
    const failed = new Set<string>()
    const late = await checks.run(shares, nodes, {
      ...task,
      progress: (instance, outcomes) => {
        const failures = outcomes.filter(({ success }) => !success)
        if (failures.length === 0) return
        for (const { node = '' } of failures) failed.add(node)
        task.progress(instance, failures)
      }
    })
    if (failed.size > 0 && !skips) return { answer: { results: [], timedOut: late } }
    const passing = nodes.filter(({ name }) => !failed.has(name))
    if (task.signal.aborted) return { answer: timedOut() }
    const answer = await checks.replay(shares, passing, isRequired, task)
    if (answer.results.some(({ success }) => !success)) return { answer }
    // The request has ended: its client would not learn of this deployment.
    if (task.signal.aborted) return { answer: timedOut() }
    return { failed: new Set([...others, ...failed]), replayed: answer.results }
  }

  /** Sends each instance its share as soon as it is connected. Resolves with whether one did not answer in time. */
  async #distribute(shares: Shares, force: boolean, grace: AbortSignal, task: Task): Promise<boolean> {
    const { cluster, fleet } = this.#options
    for (const instance of shares.names) this.#awaited.add(instance)
    const tell = tellsSteps(fleet, task)
    const late = await Promise.all(
      shares.names.map(async instance => {
        await fleet.when(instance, grace)
        this.#awaited.delete(instance)
        return await askInstance(fleet, task, {
          instance,
          method: 'deploy',
          params: { share: cluster.shareOf(shares, instance), force, refresh: true },
          nodes: shares.nodes(instance).map(({ name }) => name),
          onPart: steps => tell(instance, steps)
        })
      })
    )
    return late.includes(true)
  }

  /** Waits for instances whose address is unknown; without it their nodes cannot be in the layout of the others. */
  async #locate({ instances }: ClusterConfiguration, grace: AbortSignal): Promise<void> {
    await Promise.all(
      instances
        .filter(({ name, host }) => host === undefined && !this.#options.cluster.addresses.has(name))
        .map(({ name }) => this.#options.fleet.when(name, grace))
    )
  }

  /** Brings a newly connected agent to the deployed configuration, unless a deployment in progress does that. */
  async #meet(member: Member): Promise<void> {
    const { cluster, fleet, log, complain } = this.#options
    const before = cluster.locate(member.name, member)
    // Read it now: the deployment that awaits this instance also goes on once it is connected, and removes it.
    const isAwaited = this.#awaited.has(member.name)
    this.#unmet.delete(member.name)
    const { shares } = cluster
    if (!shares) return
    try {
      const instance = shares.instance(member.name)
      if (!instance) return await this.#standBy(member.name)
      this.#tellReady()
      const why = whyOutdated(shares, member.name, member.host)
      if (why !== undefined && (instance.host === undefined || before?.host !== member.host)) complain(why, member.name)
      if (isAwaited || instance.host === undefined) return
      // No refresh: what has changed on the host meanwhile is left for a deployment.
      await fleet.ask(
        member.name,
        'deploy',
        { share: cluster.shareOf(shares, member.name), force: false },
        { timeoutMs: this.#patienceMs(member.name) }
      )
    } catch (error) {
      const problem = `instance ${member.name} could not be brought to the deployed configuration: ${messageOf(error)}`
      log.warn(problem)
      // Unless there is a newer link or deployment, which does the same again.
      if (cluster.shares === shares && fleet.member(member.name) === member) {
        this.#unmet.set(member.name, `${problem}; deploy again`)
      }
    }
  }

  #tellReady(): void {
    const { names } = this.#options.cluster.shares!
    if (names.length > 0 && names.every(name => this.#options.fleet.member(name))) this.#options.ready(names)
  }

  /** Has instances that are no longer in the configuration stop their nodes and stay connected. */
  async #standDown(): Promise<void> {
    const { cluster, fleet } = this.#options
    await Promise.all(
      fleet
        .connected()
        .filter(({ name }) => !cluster.shares?.instance(name))
        .map(({ name }) => this.#standBy(name))
    )
  }

  async #standBy(instance: string): Promise<void> {
    const { cluster, fleet, complain } = this.#options
    const [shares, member] = [cluster.shares, fleet.member(instance)]
    await fleet.ask(instance, 'standby', {}, { timeoutMs: this.#patienceMs(instance) }).catch(error => {
      const problem = `instance ${instance} could not be put on standby: ${messageOf(error)}`
      complain(problem, instance)
      if (cluster.shares === shares && member && fleet.member(instance) === member) {
        this.#unmet.set(instance, `${problem}; deploy again`)
      }
    })
  }

  /** Returns the timeout for an agent to reach the deployed configuration from any earlier one, in milliseconds. */
  #patienceMs(instance: string): number {
    return (
      1000 *
      toRestart(
        clusterRoles.map(role => ({ instance, role })),
        timesOf(this.#options.fleet)
      )
    )
  }

  #dial(configuration: ClusterConfiguration | undefined = this.#options.cluster.deployment?.configuration): void {
    const { cluster, fleet } = this.#options
    if (configuration) fleet.dial(configuration.instances, cluster.hostOf)
  }
}
