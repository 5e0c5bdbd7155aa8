import { setTimeout as sleep } from 'node:timers/promises'
import type { Arguments, RequestArguments } from '../../../schemas/api.js'
import type { NodeStats } from '../../../schemas/operations.js'
import type { DeployStrategy, Rollout as Progress, RolloutPhase } from '../../../schemas/rollouts.js'
import type { ClusterNode, Outcome } from '../../../schemas/types.js'
import { requestTimedOut } from '../../errors.js'
import { failed, type Answer, type Task } from '../../requests/task.js'
import type { Deployment } from '../../store/configurations.js'
import { defined, groupBy } from '../../util.js'
import type { DeploymentRecord } from '../cluster/cluster.js'
import { Shares } from '../cluster/shares.js'
import { askInstance, askNodes } from '../work/ask.js'
import { timesOf, toRestart } from '../work/durations.js'
import { bring, type BringingParts } from './bringing.js'
import { Direction } from './direction.js'
import { hasLimits, isMeasured, whyBroken } from './gates.js'
import { mixtureOf } from './mixture.js'
import { stepsOf } from './steps.js'
import { paceOf } from './strategy.js'
import { watch } from './watch.js'

/** What a rollout brings about. */
export interface RolloutPlan {
  after: Deployment
  record: DeploymentRecord
  args: Arguments<'deploy'>
  strategy: DeployStrategy
  /** Nodes that are to be changed, as they will be; those that are to go, as they are. */
  changes: readonly ClusterNode[]
  /** Names of nodes that are already as they are to be. */
  unchanged: readonly string[]
  /** Names of nodes that stay as they are, though they differ. */
  skipped: ReadonlySet<string>
}

/** Why a rollout does not come to its end. `reverts`: whether what was changed goes back. */
interface Stop {
  why: string
  reverts: boolean
}

/** What is to be healthy for how long, and how long a canary waits, in seconds, unless the arguments say otherwise. */
const defaultHealthySeconds = 5
const defaultCanarySeconds = 600

/** Returns how long so many steps wait for nodes to stay healthy, and one for its canary, in seconds. */
export function waitingSeconds(
  { min_healthy_seconds: healthy = defaultHealthySeconds, canary, canary_seconds: waits }: RequestArguments,
  steps: number
): number {
  return steps * healthy + (canary === undefined ? 0 : (waits ?? defaultCanarySeconds))
}

/** How long nodes may take to tell their figures, in milliseconds. */
const statsMs = 10_000
/** How long after an incomplete answer they are asked again, in milliseconds. */
const againMs = 500

/**
 * A deployment that goes over the nodes in steps, each only when the nodes before are healthy.
 *
 *   changing --> watching --+--> changing ...   the next step; before it, `paused` while it is
 *                           +--> canary         until it is promoted
 *                           +--> the end
 *   whatever fails --> reverting --> the end
 *
 * At each step what is deployed is a mixture: the nodes of the steps so far as they are to be, the others as they were.
 */
export class Rollout {
  readonly reqid: string
  readonly direction = new Direction()
  #parts: BringingParts
  #plan: RolloutPlan
  #task: Task
  /** What was deployed before, and its revision. */
  #before: Deployment
  #beforeRevision: number | undefined
  #steps: ClusterNode[][]
  /** The step after which it waits. */
  #canary: ClusterNode[] | undefined
  /** Names of the nodes of the steps so far. */
  #touched = new Set<string>()
  #outcomes = new Map<string, Outcome>()
  #progress: Progress

  /** There must be a deployment. */
  constructor(parts: BringingParts, plan: RolloutPlan, task: Task) {
    this.reqid = task.reqid
    this.#parts = parts
    this.#plan = plan
    this.#task = task
    const { deployment } = parts.cluster
    // Its spares are those of now, so that it is brought back with these.
    this.#before = { ...deployment!, ...parts.cluster.elasticIn(deployment!.elastic) }
    this.#beforeRevision = parts.cluster.revision
    this.#steps = stepsOf(plan.changes, paceOf(plan.args, plan.strategy))
    this.#canary = plan.args.canary === undefined ? undefined : this.#steps.find(([node]) => node!.role === 'WORKER')
    const [of, total] = [this.#steps.length, plan.changes.length]
    this.#progress = { revision: 0, phase: 'changing', step: 0, of, nodes: [], done: 0, total }
  }

  /** How far it has come; undefined before its first step. */
  get progress(): Progress | undefined {
    return this.#progress.revision === 0 ? undefined : this.#progress
  }

  /** Goes over the nodes. Returns the answer of its request, without what was reported as progress. */
  async run(): Promise<Answer> {
    for (const [n, step] of this.#steps.entries()) {
      const stop = (await this.#resumed()) ?? (await this.#take(step, n)) ?? (await this.#promoted(step))
      if (this.#task.signal.aborted) return this.#timedOut()
      if (stop) return await this.#end(stop)
    }
    return await this.#complete()
  }

  /** Waits while it is paused. Returns why it must not go on. */
  async #resumed(): Promise<Stop | undefined> {
    const { paused } = this.direction
    if (paused !== undefined) {
      this.#tell('paused', { reason: `${paused} has paused it` })
      await this.direction.resumed(this.#task.signal)
    }
    return this.#ordered
  }

  /** Why people have ended it. */
  get #ordered(): Stop | undefined {
    const { stop } = this.direction
    return stop && this.#stop(stop.why, stop.kind === 'revert')
  }

  /** `always`: also where what fails is not to be reverted. */
  #stop(why: string, always = false): Stop {
    return { why, reverts: always || this.#plan.args.auto_revert !== false }
  }

  /** Changes the nodes of a step, and watches them. Returns why it must not go on. */
  async #take(step: readonly ClusterNode[], n: number): Promise<Stop | undefined> {
    // It may have waited until its time was over.
    if (this.#task.signal.aborted) return undefined
    const { cluster } = this.#parts
    const { after, record, args, unchanged } = this.#plan
    const names = new Set(step.map(({ name }) => name))
    const timeoutMs = this.#timeOf(n)
    const from = cluster.deployment!.configuration.nodes
    const before = await this.#figures(from.filter(({ name }) => names.has(name)))
    for (const name of names) this.#touched.add(name)
    const shares = new Shares({
      ...mixtureOf(this.#before, after, new Set([...unchanged, ...this.#touched])),
      rollout: { step: n + 1, of: this.#steps.length, ...defined({ before: this.#beforeRevision }) }
    })
    // From now on this is what is deployed, whatever becomes of this process.
    await this.#commit(shares, record)
    this.#tell('changing', { step: n + 1, nodes: [...names] })
    const { outcomes, failures } = await bring(
      this.#parts,
      { from, to: shares, names, force: args.force === true, timeoutMs },
      this.#task
    )
    for (const [name, outcome] of outcomes) this.#outcomes.set(name, outcome)
    const lost = [...outcomes.values(), ...failures].find(({ success }) => !success)
    if (lost) return this.#stop(`${lost.node ?? lost.instance}: ${lost.error}`)
    this.#tell('watching')
    const running = step.filter(({ name }) => this.#isWanted(name))
    const why = (await this.#watch(running, this.#healthyMs)) ?? (await this.#whyBroken(running, before))
    if (why !== undefined) return this.#stop(why)
    this.#progress = { ...this.#progress, done: this.#progress.done + step.length }
    return this.#ordered
  }

  /** After the canary, waits until it is promoted. Returns why it must not go on. */
  async #promoted(step: readonly ClusterNode[]): Promise<Stop | undefined> {
    if (step !== this.#canary || this.#task.signal.aborted) return undefined
    const { canary_seconds: seconds = defaultCanarySeconds, auto_promote: promotes = false } = this.#plan.args
    const decided = new AbortController()
    const broken = new AbortController()
    this.#tell('canary', { until: new Date(Date.now() + seconds * 1000).toISOString() })
    const watching = this.#watch(step, seconds * 1000, decided.signal).then(why => {
      if (why !== undefined) broken.abort()
      return why
    })
    const isPromoted = await this.direction.promoted(
      seconds * 1000,
      AbortSignal.any([this.#task.signal, broken.signal])
    )
    decided.abort()
    const why = await watching
    if (why !== undefined) return this.#stop(why)
    if (isPromoted || promotes || this.#ordered) return this.#ordered
    return this.#stop(`nobody has promoted the canary within ${seconds} s`, true)
  }

  #isWanted = (node: string) => this.#parts.cluster.desiredStateOf(node) === 'RUNNING'

  get #healthyMs(): number {
    return (this.#plan.args.min_healthy_seconds ?? defaultHealthySeconds) * 1000
  }

  #watch(nodes: readonly ClusterNode[], healthyMs: number, ...signals: AbortSignal[]): Promise<string | undefined> {
    const { fleet, graceMs } = this.#parts
    return watch(fleet, nodes, { healthyMs, graceMs, isWanted: this.#isWanted }, [
      this.#task.signal,
      this.direction.ending,
      ...signals
    ])
  }

  /** Returns the figures of nodes that run, by name, where there are limits for them. */
  async #figures(nodes: readonly ClusterNode[]): Promise<ReadonlyMap<string, NodeStats>> {
    const { fleet } = this.#parts
    const figures = new Map<string, NodeStats>()
    if (!hasLimits(this.#plan.args)) return figures
    const silent = new Set<string>()
    const note = (outcomes: readonly Outcome[]) => {
      for (const { node, data } of outcomes) {
        if (data?.stats) figures.set(data.stats.node, data.stats)
        else if (node !== undefined) silent.add(node)
      }
    }
    const end = performance.now() + Math.min(statsMs, this.#task.remainingMs())
    const remainingMs = () => end - performance.now()
    const isLacking = (node: ClusterNode) =>
      fleet.member(node.instance) !== undefined &&
      !silent.has(node.name) &&
      !isMeasured(this.#plan.args, node, figures.get(node.name))
    // A busy node may take too long to tell all of them: it is asked again.
    for (;;) {
      const lacking = nodes.filter(isLacking)
      if (lacking.length === 0 || remainingMs() <= 0 || this.#task.signal.aborted) return figures
      await askNodes(fleet, { ...this.#task, remainingMs, progress: () => {} }, lacking, {
        method: 'get_node_stats',
        params: names => ({ nodes: names }),
        heard: note
      })
      if (nodes.some(isLacking)) await sleep(againMs, undefined, { signal: this.#task.signal }).catch(() => {})
    }
  }

  /**
   * Returns why a node does not keep to the limits; undefined when all do, or what cannot be measured is not over them.
   */
  async #whyBroken(nodes: readonly ClusterNode[], before: ReadonlyMap<string, NodeStats>): Promise<string | undefined> {
    if (this.#task.signal.aborted || this.#ordered) return undefined
    const now = await this.#figures(nodes)
    for (const [name, figures] of now) {
      const why = whyBroken(this.#plan.args, before.get(name), figures)
      if (why !== undefined) return why
    }
    return undefined
  }

  /**
   * Returns how long the nodes of a step may take, in milliseconds, so that time is left for the others, and to go
   * back.
   */
  #timeOf(n: number): number {
    const times = timesOf(this.#parts.fleet)
    const { args, changes } = this.#plan
    const needs = this.#steps.slice(n).map(step => toRestart(step, times) * 1000 + this.#healthyMs)
    const goingBack = args.auto_revert === false ? 0 : toRestart(changes, times) * 1000
    const isBeforeCanary = this.#canary !== undefined && n <= this.#steps.indexOf(this.#canary)
    const waiting = isBeforeCanary ? (args.canary_seconds ?? defaultCanarySeconds) * 1000 : 0
    const part = needs[0]! / (needs.reduce((sum, need) => sum + need, 0) + goingBack)
    return Math.max(1, (this.#task.remainingMs() - waiting) * part - this.#healthyMs)
  }

  async #commit(shares: Shares, record: DeploymentRecord): Promise<void> {
    const { cluster } = this.#parts
    const { revision } = this.#progress
    if (revision > 0) await cluster.redeploy(shares, revision)
    else this.#progress = { ...this.#progress, revision: await cluster.deploy(shares, record) }
  }

  #tell(phase: RolloutPhase, more: Partial<Progress> = {}): void {
    const { until: _until, reason: _reason, ...progress } = this.#progress
    this.#progress = { ...progress, phase, ...more }
    if (this.progress) this.#task.tell({ type: 'rollout_progress', reqid: this.reqid, ...this.progress })
  }

  /** All nodes are changed: what is deployed is no mixture any more, but for nodes that were skipped. */
  async #complete(): Promise<Answer> {
    this.direction.close('has changed all nodes')
    const { after, record, skipped } = this.#plan
    // Those of instances that are away, too, whether they change or go.
    const names = [...this.#before.configuration.nodes, ...after.configuration.nodes].map(({ name }) => name)
    const changed = new Set(names.filter(name => !skipped.has(name)))
    const whole = skipped.size === 0 ? after : mixtureOf(this.#before, after, changed)
    const shares = new Shares(whole)
    await this.#commit(shares, record)
    for (const [instance, outcomes] of groupBy([...this.#outcomes.values()], outcome => outcome.instance ?? '')) {
      this.#task.progress(instance, outcomes)
    }
    const timedOut = await this.#settle(shares, name => !this.#outcomes.has(name) && !skipped.has(name), this.#task)
    const { id } = after.configuration
    return { results: [{ success: true, data: { id, revision: this.#progress.revision } }], timedOut }
  }

  /**
   * Tells every instance what is deployed now, so that none holds what it need not hold any more, and reports the
   * outcomes of some nodes. Returns whether one did not answer in time.
   */
  async #settle(shares: Shares, isReported: (node: string) => boolean, task: Task): Promise<boolean> {
    const { cluster, fleet } = this.#parts
    const report = (instance: string, outcomes: readonly Outcome[]) => {
      if (outcomes.length > 0) task.progress(instance, outcomes)
    }
    const late = await Promise.all(
      shares.names.map(instance => {
        const nodes = shares
          .nodes(instance)
          .map(({ name }) => name)
          .filter(isReported)
        const params = { share: cluster.shareOf(shares, instance), force: false }
        return askInstance(fleet, { ...task, progress: report }, { instance, method: 'deploy', params, nodes })
      })
    )
    return late.includes(true)
  }

  async #end({ why, reverts }: Stop): Promise<Answer> {
    this.direction.close(`is ending: ${why}`)
    if (this.#progress.revision === 0) return failed(`${why}: nothing was changed`)
    if (reverts) return await this.#revert(why)
    const { revision, done, total } = this.#progress
    const back = this.#beforeRevision === undefined ? '' : `, revision ${this.#beforeRevision} to go back`
    const error = `${why}: ${done} of ${total} nodes are changed; deploy revision ${revision} to go on${back}`
    return { results: [...this.#outcomes.values(), { success: false, error, data: { revision } }] }
  }

  #timedOut(): Answer {
    const { revision } = this.#progress
    const data = revision === 0 ? undefined : { revision }
    return {
      results: [...this.#outcomes.values(), { success: false, error: requestTimedOut, ...defined({ data }) }],
      timedOut: true
    }
  }

  /** Makes the nodes of all steps so far what they were before. */
  async #revert(why: string): Promise<Answer> {
    const { cluster } = this.#parts
    const from = cluster.deployment!.configuration.nodes
    const shares = new Shares(this.#before)
    await cluster.redeploy(shares, this.#beforeRevision)
    this.#tell('reverting', { nodes: [...this.#touched], reason: why })
    const bringing = { from, to: shares, names: this.#touched, force: false, timeoutMs: this.#task.remainingMs() }
    const { outcomes, failures } = await bring(this.#parts, bringing, this.#task)
    await this.#settle(shares, () => false, this.#task)
    const to = this.#beforeRevision === undefined ? 'what was deployed before' : `revision ${this.#beforeRevision}`
    const results = [...this.#touched].map((node): Outcome => {
      const [first, then] = [this.#outcomes.get(node), outcomes.get(node)]
      const instance = then?.instance ?? first?.instance
      const errors = [
        first?.error ?? 'reverted',
        ...(then?.success === false ? [`it could not be brought back: ${then.error}`] : [])
      ]
      return { success: false, ...defined({ instance, data: first?.data }), node, error: errors.join('; ') }
    })
    const whole: Outcome = {
      success: false,
      error: `reverted to ${to}: ${why}`,
      data: { id: this.#before.configuration.id, reverted: true, ...defined({ revision: this.#beforeRevision }) }
    }
    return {
      results: [...results, ...failures, whole],
      state: 'failed',
      timedOut: this.#task.signal.aborted
    }
  }
}
