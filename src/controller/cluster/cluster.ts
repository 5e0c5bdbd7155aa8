import type { ElasticGroup } from '../../../schemas/groups.js'
import type { Layout, SentShare } from '../../../schemas/agent.js'
import type { BundleUser } from '../../../schemas/bundles.js'
import type { ClusterConfiguration, DesiredState, Instance } from '../../../schemas/types.js'
import { AppError } from '../../errors.js'
import { elasticKeyOf, sparesOf } from '../../groups/elastic.js'
import type { NamedTable } from '../../store/named-table.js'
import type { StoredFeed } from '../../store/feeds.js'
import type { StoredOption } from '../../store/runtime-options.js'
import type {
  ConfigurationTable,
  Deployment,
  ElasticChange,
  InstanceAddress,
  Staging,
  Stopped
} from '../../store/configurations.js'
import type { NewRevision, RevisionTable } from '../../store/revisions.js'
import type { Store } from '../../store/store.js'
import { Kept } from './kept.js'
import { whyOutdated } from './outdated.js'
import { Shares } from './shares.js'

interface ClusterTables {
  options: NamedTable<StoredOption>
  feeds: NamedTable<StoredFeed>
  revisions: RevisionTable
}

/** What a deployment records of itself. `stages`: whether its configuration becomes the staged one, too. */
export type DeploymentRecord = NewRevision & { stages: boolean }

/** The tables that it reads. */
export const clusterTables = [
  'configurations',
  'revisions',
  'stopped_nodes',
  'elastic_changes',
  'instances',
  'runtime_options',
  'intel_feeds'
]

/**
 * The known state of the cluster: the staged and the deployed configuration, the desired state of nodes, the addresses
 * of instances, and the layouts that agents may ask for. It survives restarts of the controller, and asks no agent.
 */
export class Cluster {
  #store: Store
  #configurations: ConfigurationTable
  #revisions: RevisionTable
  /** The options that nodes set while they run, sorted by name. */
  readonly options: Kept<StoredOption>
  /** The feeds of intelligence that the manager reads while it runs, sorted by name. */
  readonly feeds: Kept<StoredFeed>
  #shares: Shares | undefined
  #revision: number | undefined
  #stopped!: Stopped
  /** By the key of the group. */
  #elasticChanges!: Map<string, ElasticChange>
  #addresses!: Map<string, InstanceAddress>
  #offered = new Set<Shares>()
  #changes = 0

  constructor(store: Store, configurations: ConfigurationTable, { options, feeds, revisions }: ClusterTables) {
    this.#store = store
    this.#configurations = configurations
    this.#revisions = revisions
    this.options = new Kept(store, options)
    this.feeds = new Kept(store, feeds)
    this.reload()
  }

  /** Reads what is stored; again where another replica has changed it. */
  reload(): void {
    const configurations = this.#configurations
    const { deployment } = configurations
    this.#shares = deployment && new Shares(deployment)
    const { revision = this.#revisions.latest } = deployment ?? { revision: null }
    this.#revision = revision ?? undefined
    this.#stopped = configurations.stopped()
    this.#elasticChanges = keyed(configurations.elasticChanges())
    this.#addresses = configurations.addresses()
    this.options.reload()
    this.feeds.reload()
    this.#changes++
  }

  /** Grows whenever the deployment or the desired state of a node changes. */
  get changes(): number {
    return this.#changes
  }

  /** The staged configuration. It is read from the store each time, which takes long for a large one. */
  get staged(): ClusterConfiguration | undefined {
    return this.#configurations.staged
  }

  /** How the staged configuration came there, where that is known. */
  get staging(): Staging | undefined {
    return this.#configurations.staging
  }

  /** Stages a configuration. Call it only inside of a write to the store. */
  stage(configuration: ClusterConfiguration, staging: Staging): void {
    this.#configurations.stage(configuration, staging)
  }

  /** Returns what names a bundle. */
  usersOf(bundle: string): BundleUser[] {
    const named = {
      deployed: this.#shares?.bundles ?? [],
      staged: [this.staged?.bundle],
      intel: this.feeds.all.map(feed => feed.bundle)
    }
    const users: BundleUser[] = (['deployed', 'staged', 'intel'] as const).filter(user => named[user].includes(bundle))
    return this.#revisions.names(bundle) ? [...users, 'revision'] : users
  }

  /** The current deployment. */
  get deployment(): Deployment | undefined {
    return this.#shares?.deployment
  }

  /** The shares of the current deployment. */
  get shares(): Shares | undefined {
    return this.#shares
  }

  /** The number of the revision that is deployed; undefined where an earlier version has deployed last. */
  get revision(): number | undefined {
    return this.#revision
  }

  /** The numbers of the revisions that may have to be deployed again: the deployed one, and the one that it follows. */
  get revisionsToKeep(): number[] {
    return [this.#revision, this.deployment?.rollout?.before].filter(n => n !== undefined)
  }

  /** Makes this the current deployment, and a revision of it. Resolves with its number once that is on disk. */
  async deploy(shares: Shares, { stages, ...record }: DeploymentRecord): Promise<number> {
    return await this.#commit(shares, () => {
      if (stages) this.#configurations.stage(record.configuration, record)
      return this.#revisions.insert(record)
    })
  }

  /** Makes this the current deployment, of a revision that there is. Resolves once that is on disk. */
  async redeploy(shares: Shares, revision: number | undefined): Promise<void> {
    await this.#commit(shares, () => revision)
  }

  async #commit<R extends number | undefined>(shares: Shares, revisionOf: () => R): Promise<R> {
    const revision = await this.#store.write('synced', () => {
      const revision = revisionOf()
      const { spares = [] } = shares.deployment
      // What runs goes on, whatever was planned.
      const idle = spares.filter(node => !this.#shares?.has(node) || this.#stopped.spares.has(node))
      this.#configurations.deploy({ ...shares.deployment, revision: revision ?? null }, idle)
      return revision
    })
    this.#shares = shares
    this.#revision = revision
    this.#stopped = this.#configurations.stopped()
    this.#elasticChanges = keyed(this.#configurations.elasticChanges())
    this.#changes++
    return revision
  }

  /**
   * Returns the share of an instance, with the desired states of its nodes, and what they set while they run. `only`:
   * the nodes that are to become what it says; the others are held.
   */
  shareOf(shares: Shares, instance: string, only?: ReadonlySet<string>): SentShare {
    const { byOperators } = this.#stopped
    const isSpare = (node: string) =>
      shares === this.#shares ? this.isSpare(node) : shares.isSpare(node) && !byOperators.has(node)
    const share = shares.of(instance, { has: node => byOperators.has(node) || isSpare(node) }, only)
    const options = this.options.all.map(({ name, value }) => ({ name, value }))
    const feeds = shares.hasManager(instance) ? this.feeds.all.map(({ name, bundle }) => ({ name, bundle })) : []
    return {
      ...share,
      nodes: share.nodes.map(node => (isSpare(node.name) ? { ...node, spare: true } : node)),
      ...(options.length > 0 ? { options } : {}),
      ...(feeds.length > 0 ? { feeds } : {})
    }
  }

  /** Returns the desired state of a node; undefined when it is not deployed. */
  desiredStateOf(node: string): DesiredState | undefined {
    if (!this.#shares?.has(node)) return undefined
    return this.#stopped.byOperators.has(node) || this.isSpare(node) ? 'STOPPED' : 'RUNNING'
  }

  /** Returns whether a node is stopped until its elastic group needs it. */
  isSpare(node: string): boolean {
    const shares = this.#shares
    if (!this.#stopped.spares.has(node) || !shares?.elasticGroupOf(node)) return false
    // In a deployment in steps, one that was a spare may be none, and become one again.
    return !shares.deployment.rollout || shares.isSpare(node)
  }

  /** Returns elastic groups as a deployment has them now, with their spares. */
  elasticIn(groups: readonly ElasticGroup[] = []): Pick<Deployment, 'elastic' | 'spares'> {
    if (groups.length === 0) return {}
    const spares = sparesOf(groups, {
      isThere: node => this.#shares?.has(node) === true,
      isStopped: node => this.#stopped.byOperators.has(node),
      isSpare: node => this.isSpare(node)
    })
    return { elastic: [...groups], spares }
  }

  /** Stores the desired state of nodes, for as long as they are deployed. Resolves once that is on disk. */
  async setDesired(nodes: readonly string[], state: DesiredState): Promise<void> {
    await this.#store.write('synced', () => this.#configurations.setStopped(nodes, state === 'STOPPED'))
    this.#stopped = this.#configurations.stopped()
    this.#changes++
  }

  /**
   * The same of a worker of an elastic group, for what has become of that. One that an operator has stopped stays so.
   */
  async setSpare(node: string, spare: boolean, change: ElasticChange): Promise<void> {
    await this.#store.write('synced', () => {
      this.#configurations.setSpare(node, spare)
      this.#configurations.setElasticChange(change)
    })
    // All of them would take long to read: there are many spares, and many may change at a time.
    if (this.#configurations.isSpare(node)) this.#stopped.spares.add(node)
    else this.#stopped.spares.delete(node)
    this.#elasticChanges.set(elasticKeyOf(change), change)
    this.#changes++
  }

  /** Returns the last change of an elastic group on an instance. */
  lastChangeOf(group: ElasticGroup): ElasticChange | undefined {
    return this.#elasticChanges.get(elasticKeyOf(group))
  }

  /** Current or last known addresses of instances, by name. */
  get addresses(): ReadonlyMap<string, InstanceAddress> {
    return this.#addresses
  }

  /** Returns the address that the configuration gives an instance, else its current or last known one. */
  readonly hostOf = ({ name, host }: Instance): string | undefined => host ?? this.#addresses.get(name)?.host

  /** Stores the address of an instance. Returns the previous one. If the store fails now, it is written later. */
  locate(name: string, { host, machine }: InstanceAddress): InstanceAddress | undefined {
    const before = this.#addresses.get(name)
    this.#addresses.set(name, { host, machine })
    if (before?.host !== host || before.machine !== machine) {
      this.#store
        .write('written', () => this.#configurations.setAddress(name, { host, machine }), { insists: true })
        .catch(() => {})
    }
    return before
  }

  /** Returns instances whose address has changed since the deployment, each with what to do. */
  moved(): [instance: string, why: string][] {
    const shares = this.#shares
    if (!shares) return []
    return shares.names.flatMap((name): [string, string][] => {
      const why = whyOutdated(shares, name, this.#addresses.get(name)?.host)
      return why === undefined ? [] : [[name, why]]
    })
  }

  /** Lets agents ask for the layout of shares that are not deployed, until the job has ended. */
  async offering<T>(shares: Shares, job: () => Promise<T>): Promise<T> {
    this.#offered.add(shares)
    try {
      return await job()
    } finally {
      this.#offered.delete(shares)
    }
  }

  /** Returns the layout with this digest, for an agent that lacks it. Throws `not_found` when there is none. */
  layout(digest: string): Layout {
    for (const shares of [this.#shares, ...this.#offered]) {
      const layout = shares?.layout(digest)
      if (layout) return layout
    }
    throw new AppError('not_found', 'no such layout is deployed')
  }
}

const keyed = (changes: readonly ElasticChange[]) => new Map(changes.map(change => [elasticKeyOf(change), change]))
