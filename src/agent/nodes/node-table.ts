import { EventEmitter } from 'node:events'
import { mkdir } from 'node:fs/promises'
import type { AssignedNode, Layout, SentShare, SettingOutcome, Share } from '../../../schemas/agent.js'
import type { Feed } from '../../../schemas/intel.js'
import type { HealthReport, Leftover, NodeStep, PlannedAction } from '../../../schemas/operations.js'
import type { RuntimeOption } from '../../../schemas/runtime-options.js'
import type { DesiredState, NodeState, NodeStatus, Outcome, RequestResultData } from '../../../schemas/types.js'
import type { BundleUse } from '../../bundles/use.js'
import { AppError, messageOf, requestTimedOut } from '../../errors.js'
import type { UnitStatus } from '../../supervisor/program.js'
import { aborted, defined, Sequence, within } from '../../util.js'
import { findZeek, type Executable } from '../../zeek/executable.js'
import { secretNames } from '../../security/secret-names.js'
import { digestOf } from '../../protocol/packed-layout.js'
import { Attempt, failed, succeeded } from './attempt.js'
import { removeOldOptions, writeClusterScripts } from './cluster-scripts.js'
import type { AgentContext } from '../config.js'
import { Content, type BundleSource } from '../content.js'
import { hidden } from './hidden.js'
import { cleanUp } from './leftovers.js'
import { ManagedNode, type Change } from './managed-node.js'
import type { ShareFile } from './share-file.js'
import { readsFeeds, setFeeds, setOptions } from './setting-outcome.js'
import { Origins, type How } from './origin.js'
import { planOf, whyStopped } from './plan.js'
import { directories, formerTagOf, programOf } from './zeek-program.js'
import type { SupervisorClient } from './supervisor-client.js'
import { Runner } from './runner.js'

/** States in which a node has a process, and is not to be started. */
const hasProcess: readonly NodeState[] = ['RUNNING', 'PENDING', 'UNKNOWN']

/**
 * How long a node may take to read its options, and a manager its feeds, in milliseconds: while somebody waits for it,
 * and otherwise.
 */
const patienceMs = 10_000
const feedsMs = 90_000
const optionsMs = 60_000

/** What the nodes of a share are meant to be, why running ones are to be restarted, and what is to be done to each. */
interface Comparison {
  wanted: Map<string, ManagedNode>
  reasons: Map<string, string>
  plan: Map<string, PlannedAction>
}

/** Gets what of a share is not on this host. */
export interface Lacking {
  layout: (digest: string) => Promise<Layout>
  bundles: BundleSource
}

/** Returns the ids of the bundles that nodes of a share use. */
export const bundlesOf = ({ bundle, feeds = [] }: Pick<SentShare, 'bundle' | 'feeds'>): string[] => [
  ...(bundle === undefined ? [] : [bundle]),
  ...feeds.map(feed => feed.bundle)
]

/**
 * Nodes of this instance. The table makes them match the share that it received last, whatever they were before, and
 * leaves alone those that already match. Emits `changed` for each change of a node's status, and `gone` with the names
 * of nodes that no longer belong to this instance.
 */
export class NodeTable extends EventEmitter<{ changed: [Change]; gone: [string[]] }> {
  /** The bundles of this host. */
  readonly content: Content
  #context: AgentContext
  #programs: SupervisorClient
  #memory: ShareFile
  #origins: Origins
  #nodes = new Map<string, ManagedNode>()
  /** Runs one job at a time: a process that is stopped must be gone before its successor starts. */
  #work = new Sequence()
  #share: Share | undefined
  /** The layout of the last share that came, which may only have been checked yet. */
  #resolved: Layout | undefined
  /** The files of the share's feeds that are here, by feed. */
  #feedFiles = new Map<string, string>()
  #runner: Runner

  constructor(context: AgentContext, programs: SupervisorClient, memory: ShareFile) {
    super()
    this.content = new Content(directories(context.settings).content)
    this.#context = context
    this.#programs = programs
    this.#memory = memory
    this.#origins = new Origins(context, () => this.content.current)
    this.#runner = new Runner(programs, this.#origins, {
      stopMs: context.settings.agent_stop_timeout * 1000,
      options: node => this.#optionsOf(node)
    })
    programs.on('changed', unit => this.#nodes.get(unit.name)?.follow(unit))
  }

  /** Share that the nodes are made to match. */
  get share(): Share | undefined {
    return this.#share
  }

  get(name: string): ManagedNode | undefined {
    return this.#nodes.get(name)
  }

  /**
   * Runs a job for each named node. Returns one outcome per name: with the job's data, or with the reason why it
   * failed.
   */
  async each(names: readonly string[], job: (node: ManagedNode) => Promise<RequestResultData>): Promise<Outcome[]> {
    return await Promise.all(
      names.map(async name => {
        const node = this.#nodes.get(name)
        if (!node) return failed(this.#instance, name, 'unknown cluster node')
        try {
          return { ...succeeded(this.#instance, name), data: await job(node) }
        } catch (error) {
          return failed(this.#instance, name, hidden(node, messageOf(error)))
        }
      })
    )
  }

  /** Returns a text with the secrets of all nodes masked. */
  hidden(text: string): string {
    return [...this.#nodes.values()].reduce((masked, node) => hidden(node, masked), text)
  }

  /** Returns the nodes whose files have changed since they were started. Of held ones this is meant. */
  async drift(): Promise<HealthReport['drift']> {
    const held = new Set(this.#share?.held)
    return await this.#origins.drift([...this.#nodes.values()].filter(({ node }) => !held.has(node.name)))
  }

  /**
   * Returns what a request for these nodes waits for: every node that is being stopped, and those of these nodes that
   * start.
   */
  steps(names: readonly string[]): NodeStep[] {
    return this.#runner.steps(names.flatMap(name => this.#nodes.get(name) ?? []))
  }

  statuses(): NodeStatus[] {
    return [...this.#nodes.values()].map(node => node.status)
  }

  /** Makes the nodes match the share on disk; this needs no controller. */
  async resume(): Promise<void> {
    const share = await this.#memory.load()
    if (share) await this.#work.run(() => this.#apply(share))
  }

  /** Returns a share with its layout, and has its bundle here; `lacking` gets what of both is not. */
  async resolveShare(sent: SentShare, lacking: Lacking): Promise<Share> {
    for (const id of bundlesOf(sent)) await this.content.ensure(id, lacking.bundles)
    const known = [this.#share?.layout, this.#resolved].find(layout => layout && digestOf(layout) === sent.layout)
    const layout = known ?? (await lacking.layout(sent.layout))
    this.#resolved = layout
    return { ...sent, layout }
  }

  /**
   * Makes the nodes match the share; `force` restarts those that already do, `refresh` those whose files have changed.
   * `lacking` gets what of it is not here. Returns one outcome per node that is not held, at the latest when the signal
   * aborts; the work goes on then.
   */
  async deploy(sent: SentShare, lacking: Lacking, how: How, signal: AbortSignal): Promise<Outcome[]> {
    const held = new Set(sent.held)
    const names = sent.nodes.map(({ name }) => name).filter(name => !held.has(name))
    const attempt = this.#attempt(names, signal)
    // Waiting for nodes to join is not part of the work: the next deployment need not wait for a node that hangs.
    const applying = this.#work.run(async () => {
      const share = await this.resolveShare(sent, lacking)
      await this.#memory.save(share)
      const hopeless = await this.#apply(share, how, attempt.done)
      await this.content.drop(bundlesOf(share))
      return hopeless
    })
    const hopeless = await Promise.race([applying, aborted(signal)])
    return await Promise.all(names.map(async name => hopeless?.get(name) ?? (await attempt.deployed(name))))
  }

  /**
   * Returns what deploying a share would do to each of its nodes, which are not touched; `lacking` gets what of it is
   * not here.
   */
  async plan(sent: SentShare, lacking: Lacking, how: How): Promise<Outcome[]> {
    const share = await this.resolveShare(sent, lacking)
    const found = share.bundle === undefined ? undefined : await this.content.look(share.bundle)
    // Nodes would find it elsewhere than it is read now.
    const bundle = found && { ...found, directory: this.content.link }
    const origins = new Origins(this.#context, () => bundle, found?.directory)
    const zeek = await findZeek(this.#context.settings.bin, this.#context.env)
    const { plan } = await this.#compare(share, await this.#units(), how, { zeek, bundle, origins })
    return [...plan].map(([name, planned]) => {
      const isStarted = planned.action === 'start' || planned.action === 'restart'
      const seconds = isStarted ? this.#nodes.get(name)?.startSeconds : undefined
      return {
        ...succeeded(this.#instance, name),
        data: { plan: { ...planned, ...defined({ last_start_seconds: seconds }) } }
      }
    })
  }

  /** Stops every node and forgets them. */
  async standby(): Promise<void> {
    await this.#work.run(async () => {
      await this.#memory.clear()
      this.#share = undefined
      this.#resolved = undefined
      await this.#stop((await this.#programs.status()).filter(unit => unit.kind === 'detached').map(unit => unit.name))
      await this.#removeOldOptions({ nodes: [] })
      await this.content.use(undefined)
      await this.content.drop([])
      this.#replace(new Map())
    })
  }

  /**
   * Starts the named nodes, and keeps them running from now on. Returns one outcome per node. Throws `timeout` when the
   * signal aborts before its turn.
   */
  async start(names: readonly string[], signal: AbortSignal): Promise<Outcome[]> {
    const attempt = this.#attempt(names, signal)
    await this.#setDesired('RUNNING', names, signal, async nodes => {
      const away = nodes.filter(({ status: { state } }) => !hasProcess.includes(state))
      for (const { node } of nodes.filter(node => !away.includes(node))) attempt.done.add(node.name)
      await this.#runner.start(away, attempt.done)
    })
    return await Promise.all(names.map(name => attempt.started(name, 'start')))
  }

  /**
   * Stops the named nodes, and keeps them stopped from now on. Returns one outcome per node. Throws `timeout` when the
   * signal aborts before its turn.
   */
  async stop(names: readonly string[], signal: AbortSignal): Promise<Outcome[]> {
    const attempt = this.#attempt(names, signal)
    await this.#setDesired('STOPPED', names, signal, nodes => this.#runner.stop(nodes, attempt.done))
    return names.map(name => attempt.stopped(name))
  }

  /**
   * Restarts the named nodes; those that are meant to be stopped stay stopped. Returns one outcome per node. Throws
   * `timeout` when the signal aborts before its turn.
   */
  async restart(names: readonly string[], signal: AbortSignal): Promise<Outcome[]> {
    const attempt = this.#attempt(names, signal)
    await this.#inTurn(names, signal, async known => {
      const wanted = known.filter(({ desired }) => desired === 'RUNNING')
      await this.#runner.stop(wanted)
      await this.#runner.start(wanted, attempt.done)
    })
    return await Promise.all(names.map(name => attempt.started(name, 'restart')))
  }

  /**
   * Has every node set these options, and no others, now and whenever it is started. Returns what has become of one of
   * them in each node. Throws `timeout` when the signal aborts before its turn.
   */
  async setOptions(options: readonly RuntimeOption[], changed: string, signal: AbortSignal): Promise<SettingOutcome[]> {
    let outcomes: SettingOutcome[] = []
    await this.#inTurn([...this.#nodes.keys()], signal, async nodes => {
      if (!this.#share) return
      this.#share = { ...this.#share, options: [...options] }
      await this.#memory.save(this.#share)
      const { signal: ending, clear } = within(signal, patienceMs)
      outcomes = await Promise.all(nodes.map(node => setOptions(node, this.#optionsOf(node.node), changed, ending)))
      clear()
    })
    return outcomes
  }

  /**
   * Has managers read these feeds, and no others, now and whenever they are started; `source` gets those that are not
   * here. Returns what has become of one of them in each manager. Throws `timeout` when the signal aborts before its
   * turn.
   */
  async setFeeds(
    feeds: readonly Feed[],
    changed: string,
    source: BundleSource,
    signal: AbortSignal
  ): Promise<SettingOutcome[]> {
    let outcomes: SettingOutcome[] = []
    await this.#inTurn([...this.#nodes.keys()], signal, async nodes => {
      const before = this.#share
      if (!before) return
      for (const { bundle } of feeds) await this.content.ensure(bundle, source)
      const share = { ...before, feeds: [...feeds] }
      this.#share = share
      await this.#memory.save(share)
      this.#feedFiles = await this.content.feedFiles(feeds)
      const { signal: ending, clear } = within(signal, feedsMs)
      outcomes = await Promise.all(
        nodes
          .filter(({ node }) => node.role === 'MANAGER')
          .map(node =>
            setFeeds(node, this.#optionsOf(node.node), { name: changed, path: this.#feedFiles.get(changed) }, ending)
          )
      )
      clear()
      // Those of before are what the manager goes back to, should it refuse these.
      await this.content.drop([...bundlesOf(before), ...bundlesOf(share)])
    })
    return outcomes
  }

  /**
   * Returns what nodes have left that this instance does not run any more, and removes it with `remove`. Throws
   * `timeout` when the signal aborts before its turn.
   */
  async cleanUp(remove: boolean, signal: AbortSignal): Promise<Leftover[]> {
    let leftovers: Leftover[] = []
    await this.#inTurn([], signal, async () => {
      const running = (await this.#programs.status()).map(({ name }) => name)
      const names = new Set([...this.#nodes.keys(), ...running, ...(this.#share?.nodes ?? []).map(({ name }) => name)])
      leftovers = await cleanUp(directories(this.#context.settings).nodes, names, remove)
    })
    return leftovers
  }

  /** Returns the options that a node sets while it runs. */
  #optionsOf({ role }: AssignedNode): RuntimeOption[] {
    const feeds = role === 'MANAGER' ? readsFeeds([...this.#feedFiles.values()]) : []
    return [...(this.#share?.options ?? []), ...feeds]
  }

  #attempt(names: readonly string[], signal: AbortSignal): Attempt {
    const quiet = () => this.#work.run(async () => {})
    const output = (name: string) => this.#programs.output(name)
    return new Attempt(
      { instance: this.#instance, get: name => this.#nodes.get(name), steps: () => this.steps(names), output, quiet },
      signal
    )
  }

  get #instance(): string {
    return this.#context.settings.agent_name
  }

  /** Saves the desired state of the named nodes, then applies it with `make`. */
  async #setDesired(
    desired: DesiredState,
    names: readonly string[],
    signal: AbortSignal,
    make: (nodes: ManagedNode[]) => Promise<void>
  ): Promise<void> {
    await this.#inTurn(names, signal, async known => {
      for (const node of known) node.desired = desired
      const share = this.#share
      if (share) {
        this.#share = {
          ...share,
          nodes: share.nodes.map(node => (names.includes(node.name) ? { ...node, desired_state: desired } : node))
        }
        await this.#memory.save(this.#share)
      }
      await make(known)
    })
  }

  /** Runs a job in its turn. Resolves when the job is done, or when the signal aborts: a job that has begun goes on. */
  async #inTurn(
    names: readonly string[],
    signal: AbortSignal,
    job: (known: ManagedNode[]) => Promise<void>
  ): Promise<void> {
    let hasBegun = false
    const working = this.#work.run(async () => {
      // The caller has had a timeout as response, and may have repeated the request.
      if (signal.aborted) return
      hasBegun = true
      await job(names.flatMap(name => this.#nodes.get(name) ?? []))
    })
    await Promise.race([working, aborted(signal)])
    if (!hasBegun) throw new AppError('timeout', requestTimedOut)
  }

  /**
   * Stops nodes that differ from the share, and starts those that do not run; `done` gets the name of each that is
   * dealt with. Returns the outcome of each node that cannot even be tried.
   */
  async #apply(share: Share, how: How = {}, done = new Set<string>()): Promise<Map<string, Outcome>> {
    this.#share = share
    const units = await this.#units()
    let comparison: Comparison
    try {
      const { settings, env } = this.#context
      const zeek = await findZeek(settings.bin, env)
      await this.content.use(share.bundle)
      this.#feedFiles = await this.content.feedFiles(share.feeds ?? [])
      const { scripts, node: directory } = directories(settings)
      await writeClusterScripts(scripts, share)
      for (const { name } of share.nodes) await mkdir(directory(name), { recursive: true })
      comparison = await this.#compare(share, units, how, {
        zeek,
        bundle: this.content.current,
        origins: this.#origins
      })
    } catch (error) {
      // Without zeek nothing can be compared or started; what runs goes on.
      return new Map(share.nodes.map(({ name }) => [name, failed(this.#instance, name, messageOf(error))]))
    }
    const { wanted, reasons, plan } = comparison
    const same = (name: string) => plan.get(name)?.action === 'none' && wanted.get(name)?.desired === 'RUNNING'
    for (const name of [...wanted.keys()].filter(same)) done.add(name)
    await this.#stop([...units.keys()].filter(name => !same(name)))
    await this.#removeOldOptions(share)
    this.#adopt(wanted, units, same)
    for (const name of [...wanted.keys()].filter(same)) this.#setOptionsOf(name)
    for (const [name, { desired }] of wanted) if (desired === 'STOPPED') done.add(name)
    await this.#runner.start(
      [...wanted.values()].filter(({ node, desired }) => desired === 'RUNNING' && !same(node.name)),
      done,
      reasons
    )
    for (const node of wanted.values()) {
      if (node.desired === 'STOPPED') node.tell(whyStopped(node.node))
    }
    return new Map()
  }

  /** The programs that nodes are, by name. */
  async #units(): Promise<Map<string, UnitStatus>> {
    const units = await this.#programs.status()
    return new Map(units.filter(unit => unit.kind === 'detached').map(unit => [unit.name, unit]))
  }

  /** Compares what runs with a share, whose nodes use this zeek and a bundle. */
  async #compare(
    share: Share,
    units: ReadonlyMap<string, UnitStatus>,
    { force = false, refresh = false }: How,
    { zeek, bundle, origins }: { zeek: Executable; bundle: BundleUse | undefined; origins: Origins }
  ): Promise<Comparison> {
    const { settings } = this.#context
    const context = { ...this.#context, bundle }
    const isSecret = secretNames(settings.management_secrets)
    const { agent_silent_after: silent, agent_restart_silent: stuck } = settings
    const patience = { silentMs: silent * 1000, stuckMs: stuck * 1000 }
    const wanted = new Map(
      share.nodes.map(node => {
        const program = programOf(node, share, zeek, context)
        return [node.name, new ManagedNode(node, program, patience, isSecret)]
      })
    )
    const reasons = await origins.whyRestart(wanted.values(), units, {
      refresh,
      formerTag: node => formerTagOf(node, share, zeek, context)
    })
    return { wanted, reasons, plan: planOf(wanted, units, reasons, { force, held: share.held }) }
  }

  /** Has a node that goes on set the options of this share: its process may have others. */
  #setOptionsOf(name: string): void {
    const node = this.#nodes.get(name)
    node
      ?.setOptions(this.#optionsOf(node.node), AbortSignal.timeout(optionsMs))
      // A process of before an upgrade does not read any; it gets them when it is restarted.
      .catch(() => {})
  }

  /** Installs the new table; a node that is the same keeps its entry, and with it its state. */
  #adopt(wanted: Map<string, ManagedNode>, units: Map<string, UnitStatus>, same: (name: string) => boolean): void {
    const before = this.#replace(
      new Map([...wanted].map(([name, node]) => [name, (same(name) ? this.#nodes.get(name) : undefined) ?? node]))
    )
    for (const [name, node] of wanted) {
      if (before.get(name) === this.#nodes.get(name)) continue
      node.on('changed', change => this.emit('changed', change))
      node.on('stuck', () => {
        void this.#unstick(node)
      })
      const unit = units.get(name)
      if (unit && same(name)) node.follow(unit)
    }
  }

  /** Replaces the table, and returns the one before. */
  #replace(nodes: Map<string, ManagedNode>): Map<string, ManagedNode> {
    const before = this.#nodes
    this.#nodes = nodes
    const gone = [...before.keys()].filter(name => !nodes.has(name))
    if (gone.length > 0) this.emit('gone', gone)
    return before
  }

  /** Removes options that no node has any more. What cannot be removed must not keep nodes from their work. */
  async #removeOldOptions(share: Pick<Share, 'nodes'>): Promise<void> {
    await removeOldOptions(directories(this.#context.settings).scripts, share).catch(() => {})
  }

  /** Stops programs by name: those in the table in reverse start order, others first. */
  async #stop(names: readonly string[]): Promise<void> {
    await Promise.all(names.filter(name => !this.#nodes.has(name)).map(name => this.#runner.end(name)))
    await this.#runner.stop(names.flatMap(name => this.#nodes.get(name) ?? []))
  }

  /** Restarts an unresponsive node, unless it has changed its state or been replaced meanwhile. */
  async #unstick(node: ManagedNode): Promise<void> {
    await this.#work.run(async () => {
      if (this.#nodes.get(node.node.name) === node && node.status.state === 'UNKNOWN') await this.#runner.start([node])
    })
  }
}
