import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  requests as definitions,
  type Arguments,
  type ClusterRequest,
  type InstanceNode,
  type InstanceStatus,
  type PrometheusTarget,
  type RequestArguments,
  type RequestDefinition,
  type RequestType,
  type WorkerPlacement
} from '../../schemas/api.js'
import type { Bundle } from '../../schemas/bundles.js'
import type { Capture } from '../../schemas/captures.js'
import type { RolloutAction } from '../../schemas/rollouts.js'
import type { ElasticGroupStatus, Labels } from '../../schemas/groups.js'
import type { IntelFeed } from '../../schemas/intel.js'
import type { ReplicaList } from '../../schemas/replication.js'
import type { SetOption } from '../../schemas/runtime-options.js'
import type { ClusterConfiguration, ConfigurationState, Outcome } from '../../schemas/types.js'
import { AppError, invalid } from '../errors.js'
import { checkedIndicators } from '../formats/intel/intel.js'
import type { Expanded } from '../groups/expansion.js'
import type { Hub, Start } from '../events/hub.js'
import type { Group } from '../replication/group.js'
import type { Caller } from '../requests/caller.js'
import { keyOf, Scope } from '../requests/scope.js'
import { Sight } from '../requests/sight.js'
import { idempotencyOf } from '../requests/idempotency.js'
import type { RequestOptions, Requests, Started } from '../requests/requests.js'
import type { Cluster } from './cluster/cluster.js'
import type { ElasticChange } from '../store/configurations.js'
import type { RequestFilter } from '../store/requests.js'
import type { Store } from '../store/store.js'
import { failed, timedOut, type Answer, type Submitted, type Task, type Work } from '../requests/task.js'
import { controllerPorts, type ControllerSettings } from './config.js'
import type { Bundles } from './bundles.js'
import type { EntityTags, IfMatch } from './entity-tags.js'
import type { Revisions } from './revisions.js'
import { Seen } from './seen.js'
import type { Checks } from './work/checks.js'
import type { Deployer } from './cluster/deployer.js'
import type { Joins } from './joins.js'
import type { Fleet } from './fleet.js'
import { checkStrategy } from './rollout/strategy.js'
import type { ClusterHealth, Health } from './cluster/health.js'
import type { EventHistory } from '../requests/event-history.js'
import type { Notifier } from '../notify/notifier.js'
import type { EventJournal } from '../requests/journal.js'
import { pageOf, type NodeFilter } from './cluster/node-list.js'
import type { Operations } from './work/operations.js'
import type { Intel } from './work/intel.js'
import type { Options } from './work/options.js'
import { nodeMetrics, targetsOf, type Reached } from './cluster/prometheus.js'
import { timeoutOf } from './work/timeouts.js'
import { argumentsOf, type Plans } from './work/plans.js'
import type { Queries } from './work/queries.js'
import type { Upgrades } from './work/upgrades.js'
import { secretNames, type IsSecret } from '../security/secret-names.js'
import { mask, masked, maskedFieldsOf, maskedIdOutcome, maskedOutcome } from '../security/secrets.js'
import { defined } from '../util.js'
import type { State } from './cluster/state.js'
import { missingCaptures, validate } from './cluster/validation.js'

export interface ControllerParts {
  settings: ControllerSettings
  store: Store
  cluster: Cluster
  requests: Requests
  journal: EventJournal
  history: EventHistory
  hub: Hub
  fleet: Fleet
  bundles: Bundles
  revisions: Revisions
  joins: Joins
  tags: EntityTags
  checks: Checks
  deployer: Deployer
  queries: Queries
  plans: Plans
  operations: Operations
  options: Options
  intel: Intel
  upgrades: Upgrades
  state: State
  health: Health
  notifier: Notifier
  /** How this controller is one of several; undefined for one that is alone. */
  group: Group | undefined
}

/** `timeout` is in seconds; calls with the same `idempotencyKey` and arguments make one request. */
interface AskOptions extends Omit<RequestOptions, 'timeoutMs' | 'idempotency' | 'precondition'> {
  timeout?: number | undefined
  idempotencyKey?: string | undefined
  /** Which entity tags the configuration may have that the request changes, where its type has one. */
  ifMatch?: IfMatch | undefined
  /** What has become of an elastic group, for whose sake its worker is started or stopped. Never a client's. */
  elastic?: ElasticChange | undefined
}

/** A handler for each type of request, by its arguments: a missing one does not compile. */
type RequestHandlers = { readonly [T in RequestType]: (args: Arguments<T>, circumstances: Circumstances) => Work }

interface Circumstances {
  /** What the caller reaches. Types that do not heed it are not for callers who are limited (`limited` of a type). */
  scope: Scope
  elastic?: ElasticChange | undefined
}

/** How many scopes are kept. */
const scopesMax = 100

/** The interface of the controller for its clients. It delegates all work to its parts, and does none itself. */
export class Controller {
  #parts: ControllerParts
  #isSecret: IsSecret
  /** By their keys: to find out what is in one takes as long as the cluster is large. */
  #scopes = new Map<string, Scope>()
  /** What callers see who are not limited. */
  #everything: Seen

  constructor(parts: ControllerParts) {
    this.#parts = parts
    this.#isSecret = secretNames(parts.settings.management_secrets)
    this.#everything = this.#seenBy(this.#scopeOf(undefined))
  }

  /** The bundles that were uploaded. */
  get bundles(): Bundles {
    return this.#parts.bundles
  }

  /** The deployments that are kept. */
  get revisions(): Revisions {
    return this.#parts.revisions
  }

  /** How hosts become agents. */
  get joins(): Joins {
    return this.#parts.joins
  }

  /** What tells operators. */
  get notifier(): Notifier {
    return this.#parts.notifier
  }

  get hub(): Hub {
    return this.#parts.hub
  }
  /** The events of the past. */
  get history(): EventHistory {
    return this.#parts.history
  }

  get pendingRequests(): number {
    return this.#parts.requests.pending
  }
  /** Number of requests that were refused because too many were pending. */
  get refusedRequests(): number {
    return this.#parts.requests.refused
  }

  /** Returns what a caller sees of all of this. */
  seenBy({ labels }: Pick<Caller, 'labels'>): Seen {
    return labels === undefined ? this.#everything : this.#seenBy(this.#scopeOf(labels))
  }

  #seenBy(scope: Scope): Seen {
    const sight = scope.labels && new Sight(scope, reqid => this.#parts.requests.find(reqid))
    return new Seen(this, scope, sight)
  }

  #scopeOf(labels: Labels | undefined): Scope {
    const key = keyOf(labels)
    const known = this.#scopes.get(key)
    if (known) return known
    // Certificates can have any labels.
    if (this.#scopes.size >= scopesMax) this.#scopes.clear()
    const scope = new Scope(labels, () => this.deployed())
    this.#scopes.set(key, scope)
    return scope
  }

  /** Returns a configuration for display: without its secrets. */
  withoutSecrets(configuration: ClusterConfiguration): ClusterConfiguration {
    return masked(configuration, this.#isSecret)
  }

  /**
   * Returns where the stream of a request's events starts: after the cursor, else with all of them that are kept.
   * Undefined when the request has ended and nothing is left to be sent. Throws `not_found`.
   */
  startOfRequest(reqid: string, cursor?: string): Start | undefined {
    const { hub, journal } = this.#parts
    const { state, event_cursor: first } = this.getRequest(reqid)
    const resumed = cursor === undefined ? undefined : hub.startAt(cursor)
    // With a cursor that cannot be used, the events are sent from the first one on.
    const start =
      resumed && !resumed.reset ? resumed : { ...this.#startAt(first), ...(resumed?.reset && { reset: resumed.reset }) }
    const last = journal.lastOf(reqid)
    return state !== 'pending' && (!last || start.seq >= last.seq) ? undefined : start
  }

  /** Returns where the events of a request start; where those are gone, the earliest event that is kept. */
  #startAt(first: string): Start {
    const { hub } = this.#parts
    const start = hub.startAt(first)
    return start.reset ? { ...hub.startAt('earliest'), reset: start.reset } : { ...start, resumed: false }
  }

  /** The cursor of the newest event: later events are not in what the getters return now. */
  get cursor(): string {
    return this.#parts.journal.head
  }

  /**
   * Accepts a request and starts it; resolves once it is written down. `timeout` is in seconds. Throws an AppError when
   * it cannot be accepted; everything else is reported in the response. It reaches what the caller sees. What is stored
   * of it, and sent to others, has its secrets masked: `own` are the results for the caller, where they differ.
   */
  async request<T extends RequestType>(
    type: T,
    args: Arguments<T>,
    { timeout, idempotencyKey: key, ifMatch, elastic, by, ...options }: AskOptions = {}
  ): Promise<Started> {
    const { settings, requests, tags } = this.#parts
    const scope = this.#scopeOf(by?.labels)
    const seconds = timeout ?? this.patience(type, args, by)
    if (timeout !== undefined && timeout > settings.controller_timeout_max) {
      throw new AppError('invalid_request', `the timeout is at most ${settings.controller_timeout_max} seconds`, {
        errors: [{ field: 'querystring/timeout', message: `must be <= ${settings.controller_timeout_max}` }]
      })
    }
    const kept = this.#keptOf(args)
    const idempotency =
      key === undefined ? undefined : idempotencyOf(`${by?.client ?? ''}${scope.key}`, key, [type, timeout, args])
    const { ifMatch: state }: RequestDefinition = definitions[type]
    const precondition = state && ifMatch && (() => tags.demand(state, ifMatch))
    const all = { timeoutMs: seconds * 1000, idempotency, precondition, by, ...options }
    return await requests.start(type, kept, all, this.#handlers[type](args, { scope, elastic }))
  }

  /** Returns the arguments of a request as they are stored, and sent to others: without secrets. */
  #keptOf(args: RequestArguments): RequestArguments {
    const { config, name, value } = args
    if (config) return { ...args, config: masked(config, this.#isSecret) }
    return value !== undefined && this.#isSecret(name ?? '') ? { ...args, value: mask } : args
  }

  /** The options that nodes set while they run, sorted by name. */
  options(): SetOption[] {
    return this.#parts.cluster.options.all.map(({ set_at: at, ...option }) => ({
      ...option,
      set_at: new Date(at).toISOString()
    }))
  }

  /** The feeds of intelligence that the manager has read, sorted by name. */
  feeds(): IntelFeed[] {
    return this.#parts.cluster.feeds.all.map(({ set_at: at, ...feed }) => ({
      ...feed,
      size: this.bundles.get(feed.bundle).size,
      set_at: new Date(at).toISOString()
    }))
  }

  /** Keeps a file of indicators as a bundle. Throws `invalid_request` when it is none. Then nothing is kept. */
  async keepFeed(name: string, file: AsyncIterable<Buffer>, by: Partial<Caller>): Promise<Bundle> {
    return await this.bundles.receiveFile(`intel/${name}`, checkedIndicators(file), { by })
  }

  /** Returns the file of a feed of intelligence. Throws `not_found`. */
  async readFeed(name: string): Promise<Readable> {
    const feed = this.#parts.cluster.feeds.all.find(one => one.name === name)
    if (!feed) throw new AppError('not_found', `feed ${name} is not set`)
    return await this.bundles.read(feed.bundle, this.bundles.files(feed.bundle)[0]!.path)
  }

  /** Returns the default timeout of a request, in seconds: for a caller who sets none. */
  patience(type: RequestType, args: RequestArguments, by?: Pick<Caller, 'labels'>): number {
    const { settings, fleet } = this.#parts
    const deployed = this.#scopeOf(by?.labels).narrowed(this.deployed())
    const staged =
      type === 'check' ? this.#configuration('staged') : type === 'deploy' ? this.#deploying(args) : undefined
    return timeoutOf(type, args, { settings, fleet, deployed, staged })
  }

  /** Returns a request. Throws `not_found`. */
  getRequest(reqid: string): ClusterRequest {
    return this.#withRollout(this.#parts.requests.get(reqid))
  }

  /**
   * Directs a deployment in steps. Returns its request. Throws `not_found`, or `conflict` when that is not possible
   * now.
   */
  direct(reqid: string, action: RolloutAction, who: string | undefined): ClusterRequest {
    const request = this.#parts.requests.get(reqid)
    const { rollout } = this.#parts.deployer
    if (rollout?.reqid !== reqid) {
      throw new AppError('conflict', `request ${reqid} is no deployment in steps that is under way`)
    }
    rollout.direction[action](who)
    return this.#withRollout(request)
  }

  /** Adds how far a deployment in steps has come, while it is under way. */
  #withRollout(request: ClusterRequest): ClusterRequest {
    const { rollout } = this.#parts.deployer
    const progress = rollout?.reqid === request.reqid && request.state === 'pending' ? rollout.progress : undefined
    return progress ? { ...request, rollout: progress } : request
  }

  /** Resolves with the request once it is finished, or after so many seconds. Throws `not_found`. */
  async waitForRequest(reqid: string, seconds: number, ...signals: readonly AbortSignal[]): Promise<ClusterRequest> {
    return this.#withRollout(await this.#parts.requests.wait(reqid, seconds * 1000, ...signals))
  }

  listRequests(
    filter: RequestFilter,
    maxResults?: number,
    see: (request: ClusterRequest) => ClusterRequest | undefined = request => request
  ): { requests: ClusterRequest[]; next?: string } {
    return this.#parts.requests.list(filter, maxResults, request => see(this.#withRollout(request)))
  }

  get health(): ClusterHealth {
    return this.#parts.health.now
  }
  instances(): InstanceStatus[] {
    return this.#parts.state.instances()
  }
  nodes(): InstanceNode[] {
    return this.#parts.state.nodes()
  }
  elasticGroups(): ElasticGroupStatus[] {
    return this.#parts.state.elasticGroups()
  }
  listNodes(filter: NodeFilter): { nodes: InstanceNode[]; next?: string } {
    return pageOf(this.nodes(), filter)
  }

  deployed(): ClusterConfiguration | undefined {
    return this.#configuration('deployed')
  }

  /**
   * Returns a configuration; of the ready one also why each worker of a group runs where it does, of the deployed one
   * its revision, of the staged and the deployed one the entity tag. Throws `not_found`.
   */
  document(state: ConfigurationState): {
    configuration: ClusterConfiguration
    placements: WorkerPlacement[]
    revision?: number | undefined
    tag?: string | undefined
  } {
    const { deployer, cluster, tags } = this.#parts
    // The ready one is the staged one as it would be deployed now.
    const held = state === 'ready' ? 'staged' : state
    const configuration = this.#configuration(held)
    if (!configuration) throw new AppError('not_found', `no ${held} configuration available`)
    if (state !== 'ready') {
      const revision = state === 'deployed' ? cluster.revision : undefined
      return { configuration, placements: [], revision, tag: tags.of(state) }
    }
    const plan = deployer.preview(configuration)
    return {
      configuration: plan.configuration,
      placements: [...plan.reasons].map(([node, reason]) => ({ node, reason }))
    }
  }

  /** Returns a configuration with the nodes that its groups would have now in their place. */
  withoutGroups(configuration: ClusterConfiguration): ClusterConfiguration {
    return this.#parts.deployer.expanded(configuration).configuration
  }

  /** Returns where Prometheus finds the metrics of each node, for a client that reaches the controller like this. */
  metricsTargets(reached: Reached, proxy?: boolean): PrometheusTarget[] {
    const { cluster } = this.#parts
    // Whoever watches would take a spare, which serves nothing, for one that has failed.
    return targetsOf(cluster.deployment, reached, proxy).filter(({ labels }) => !cluster.isSpare(labels.node))
  }

  /**
   * Returns what a node's metrics endpoint serves, of one that is in what is given. Throws `not_found` or
   * `unavailable`.
   */
  nodeMetrics(node: string, deployed: ClusterConfiguration | undefined): Promise<{ text: string; type: string }> {
    return nodeMetrics(this.#parts.fleet, deployed, node)
  }

  /** Returns what keeps the controller from doing its work. */
  problems(): string[] {
    const { store, group } = this.#parts
    return [store.failure, group?.diverged].filter(problem => problem !== undefined)
  }

  /** Returns how far all of several controllers are; empty for one that is alone. */
  async replicas(): Promise<ReplicaList['replicas']> {
    return (await this.#parts.group?.look()) ?? []
  }

  #configuration(state: 'staged' | 'deployed'): ClusterConfiguration | undefined {
    const { cluster } = this.#parts
    // The staged one is read from the store.
    return state === 'deployed' ? cluster.deployment?.configuration : cluster.staged
  }

  /** Returns what a deployment would deploy, with the nodes that its groups would have now; undefined for nothing. */
  #deploying(args: Pick<RequestArguments, 'revision' | 'last_good'>): ClusterConfiguration | undefined {
    const again = this.#again(args)
    if (again === undefined) return undefined
    const configuration = again === 'staged' ? this.#configuration('staged') : this.revisions.find(again)
    return configuration && this.withoutGroups(configuration)
  }

  /** Returns which revision a deployment deploys again; undefined where there is none that is good. */
  #again({ revision, last_good: lastGood }: Pick<RequestArguments, 'revision' | 'last_good'>) {
    if (lastGood === true) return this.revisions.lastGood(this.#parts.cluster.revision)
    return revision ?? 'staged'
  }

  /** The handlers of all request types. */
  readonly #handlers: RequestHandlers = {
    get_instances: (_args, { scope }) => ({ now: () => this.#parts.state.getInstances(scope) }),
    stage_configuration: args => ({ now: submitted => this.#stage(args, submitted) }),
    get_configuration: args => ({ now: () => this.#getConfiguration(args) }),
    deploy: args => {
      checkStrategy(args)
      refuseTogether(args)
      refuseUnchecked(args)
      return task => this.#deploy(args, task)
    },
    get_nodes: (_args, { scope }) => ({ now: () => this.#parts.state.getNodes(scope) }),
    get_id_value:
      (args, { scope }) =>
      task =>
        this.#getIdValue(args, scope.narrowed(this.deployed()), task),
    start:
      (args, { scope, elastic }) =>
      task =>
        this.#parts.operations.start(args, scope.narrowed(this.deployed()), task, elastic),
    stop:
      (args, { scope, elastic }) =>
      task =>
        this.#parts.operations.stop(args, scope.narrowed(this.deployed()), task, elastic),
    restart:
      (args, { scope }) =>
      task =>
        this.#parts.operations.restart(args, scope.narrowed(this.deployed()), task),
    plan: args => {
      checkStrategy(args)
      return task => this.#parts.plans.plan(this.#configuration('staged'), args, task)
    },
    check: args => task => this.#check(args, task),
    set_option: args => task => this.#setOption(args, task),
    unset_option: args => task => this.#unsetOption(args, task),
    set_intel: args => task => this.#parts.intel.set(args, task),
    unset_intel: args => task => this.#parts.intel.unset(args, task),
    get_node_output:
      (args, { scope }) =>
      task =>
        this.#parts.queries.getNodeOutput(args, scope.narrowed(this.deployed()), task),
    diagnose:
      (args, { scope }) =>
      task =>
        this.#parts.queries.diagnose(args, scope.narrowed(this.deployed()), task),
    get_node_stats:
      (args, { scope }) =>
      task =>
        this.#parts.queries.getNodeStats(args, scope.narrowed(this.deployed()), task),
    get_instance_stats:
      ({ instances }, { scope }) =>
      task =>
        this.#parts.queries.askEach({ method: 'get_instance_stats', params: {} }, { instances, scope }, task),
    cleanup:
      ({ remove = false, instances }, { scope }) =>
      task =>
        this.#parts.queries.askEach({ method: 'cleanup', params: { remove } }, { instances, scope }, task),
    upgrade: args => task => this.#parts.upgrades.upgrade(args, task),
    test_timeout: () => task => this.#timeOut(task)
  }

  /** Deploys the staged configuration, or that of a revision; with a plan, only if that does what it has told. */
  async #deploy(args: Arguments<'deploy'>, task: Task): Promise<Answer> {
    const { deployer, plans, requests } = this.#parts
    const { plan: reqid } = args
    const again = this.#again(args)
    if (again === undefined) return failed('no revision is good but the deployed one')
    const isAgain = again !== 'staged'
    const configuration = isAgain ? this.revisions.toDeploy(again) : this.#configuration('staged')
    if (reqid === undefined) {
      return await deployer.deploy(configuration, isAgain ? { ...args, revision: again } : args, task)
    }
    if (isAgain) return failed('a plan is of the staged configuration, not of a revision')
    const plan = requests.find(reqid)
    const why = plan ? await plans.deviation(plan, configuration, task) : `there is no plan ${reqid}`
    if (why !== undefined) return failed(why)
    const planned = argumentsOf(plan!.arguments)
    const { force, rotate_keys: rotate } = planned
    return await deployer.deploy(configuration, { ...planned, ...args, force, rotate_keys: rotate }, task)
  }

  /** Asks for values, and masks what is secret in them: an agent of an earlier version does not. */
  async #getIdValue(
    args: Arguments<'get_id_value'>,
    deployed: ClusterConfiguration | undefined,
    task: Task
  ): Promise<Answer> {
    const hide = this.#hidesValueOf(args.id)
    return await this.#parts.queries.getIdValue(args, deployed, {
      ...task,
      progress: (instance, outcomes) => task.progress(instance, outcomes.map(hide))
    })
  }

  /** Sets an option, and masks what is secret in the values that nodes have then. */
  async #setOption(args: Arguments<'set_option'>, task: Task): Promise<Answer> {
    const { name, value } = args
    const answer = await this.#parts.options.set(args, task)
    return { ...answer, results: answer.results.map(this.#hidesValueOf(name, { [name]: value })) }
  }

  async #unsetOption(args: Arguments<'unset_option'>, task: Task): Promise<Answer> {
    const answer = await this.#parts.options.unset(args, task)
    return { ...answer, results: answer.results.map(this.#hidesValueOf(args.name)) }
  }

  /**
   * Returns a function that masks what is secret in what nodes say of an identifier; `options` are set beside theirs.
   */
  #hidesValueOf(id: string, options: Record<string, string> = {}): (outcome: Outcome) => Outcome {
    const nodes = new Map(this.deployed()?.nodes.map(node => [node.name, node]))
    return outcome => {
      const node = nodes.get(outcome.node ?? '')
      return maskedIdOutcome(id, outcome, { ...node, options: { ...node?.options, ...options } }, this.#isSecret)
    }
  }

  /** For zeek-client, which knows no groups: with the nodes that they would have now. */
  #getConfiguration({ deployed }: Arguments<'get_configuration'>): Answer {
    const { results } = this.#show(deployed === true ? 'deployed' : 'staged')
    return { results: results.map(outcome => maskedOutcome(outcome, this.#isSecret)), own: results }
  }

  async #check({ deployed, ...selector }: Arguments<'check'>, task: Task): Promise<Answer> {
    const { checks, cluster, deployer } = this.#parts
    const { staged } = cluster
    const plan = deployed === true ? cluster.deployment : staged && (await deployer.plan(staged))
    return await checks.check(plan, selector, task)
  }

  /** Returns what is wrong with the captures of a configuration that has this bundle. */
  #captureErrors(captures: readonly Capture[], bundle: string | undefined): string[] {
    if (captures.length === 0) return []
    if (bundle === undefined) return ['captures: they are files of a bundle, and there is none']
    return missingCaptures(captures, new Set(this.bundles.files(bundle).map(({ path }) => path)))
  }

  /** Stages a configuration. Only inside of a `write`: the request, what it stages and its response are one write. */
  #stage({ config }: Arguments<'stage_configuration'>, submitted: Submitted): Answer {
    const { settings, cluster, deployer } = this.#parts
    // Each of their workers would say so, too.
    const hidden = maskedFieldsOf('group', config.groups)
    if (hidden.length > 0) return { results: hidden.map(error => ({ success: false, error })) }
    // From now on it is this bundle, wherever the name points to later.
    const bundle = config.bundle === undefined ? undefined : this.bundles.resolve(config.bundle)
    const staged = { ...config, id: config.id ?? randomUUID(), ...defined({ bundle }) }
    const grouped = deployer.expanded(staged)
    const found = validate(grouped.configuration, {
      controllerName: settings.controller_name,
      controllerPorts: controllerPorts(settings),
      autoAssignBrokerPorts: settings.controller_auto_assign_broker_ports,
      dialsSecurely: settings.controller_tls_cert !== undefined
    })
    const errors = [...grouped.errors, ...found.errors, ...this.#captureErrors(config.captures ?? [], bundle)]
    const warnings = [...grouped.warnings, ...found.warnings]
    if (config.bundle !== undefined && bundle === undefined) errors.push(`there is no bundle ${config.bundle}`)
    if (errors.length > 0) return { results: errors.map(error => ({ success: false, error })), warnings }
    cluster.stage(staged, submitted)
    const obstacles = this.#obstacles(staged, grouped)
    return {
      results: [{ success: true, data: { id: staged.id } }],
      warnings: [...warnings, ...obstacles.map(obstacle => `it could not be deployed now: ${obstacle}`)]
    }
  }

  /** Returns why a deployment would be refused now, as far as that is known without asking agents. */
  #obstacles(staged: ClusterConfiguration, grouped: Expanded<ClusterConfiguration>): string[] {
    try {
      return this.#parts.deployer.preview(staged, {}, grouped).errors
    } catch (error) {
      if (error instanceof AppError) return [error.message]
      throw error
    }
  }

  #show(state: 'staged' | 'deployed'): Answer {
    const configuration = this.#configuration(state)
    return {
      results: [
        configuration
          ? { success: true, data: { configuration: this.withoutGroups(configuration) } }
          : { success: false, error: `no ${state} configuration available` }
      ]
    }
  }

  /** Resolves only when the request is ended from outside, by its deadline or the controller. */
  async #timeOut(task: Task): Promise<Answer> {
    await new Promise(resolve => task.signal.addEventListener('abort', resolve, { once: true }))
    return timedOut()
  }
}

/** Throws `invalid_request` for arguments of which each says something else. */
function refuseTogether({ revision, last_good: lastGood }: RequestArguments): void {
  if (revision === undefined || lastGood !== true) return
  throw invalid([
    { field: 'body/last_good', message: 'excludes revision' },
    { field: 'body/revision', message: 'excludes last_good' }
  ])
}

function refuseUnchecked({ require, check }: RequestArguments): void {
  if (require === undefined || check !== false) return
  throw invalid([{ field: 'body/require', message: 'has no meaning when nothing is checked' }])
}
