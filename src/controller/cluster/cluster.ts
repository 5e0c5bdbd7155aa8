import type { SentShare } from '../../../schemas/agent.js'
import type { ClusterConfiguration, ConfigurationState, DesiredState, Instance } from '../../../schemas/types.js'
import { AppError } from '../../errors.js'
import type { RuntimeOptionTable, StoredOption } from '../../store/runtime-options.js'
import type { ConfigurationTable, Deployment, InstanceAddress } from '../../store/configurations.js'
import type { Store } from '../../store/store.js'
import { whyOutdated } from './outdated.js'
import { Shares } from './shares.js'

/**
 * The known state of the cluster: the staged and the deployed configuration, the desired state of nodes, the addresses
 * of instances, and the layouts that agents may ask for. It survives restarts of the controller, and asks no agent.
 */
export class Cluster {
  #store: Store
  #configurations: ConfigurationTable
  #optionTable: RuntimeOptionTable
  #options: readonly StoredOption[]
  #shares: Shares | undefined
  #stopped: Set<string>
  #addresses: Map<string, InstanceAddress>
  #offered = new Set<Shares>()

  constructor(store: Store, configurations: ConfigurationTable, options: RuntimeOptionTable) {
    this.#store = store
    this.#configurations = configurations
    this.#optionTable = options
    this.#options = options.list()
    const { deployment } = configurations
    this.#shares = deployment && new Shares(deployment)
    this.#stopped = configurations.stopped()
    this.#addresses = configurations.addresses()
  }

  get staged(): ClusterConfiguration | undefined {
    return this.#configurations.staged
  }

  /** Stages a configuration. Call it only inside of a write to the store. */
  stage(configuration: ClusterConfiguration): void {
    this.#configurations.stage(configuration)
  }

  /** Returns which configurations name a bundle. */
  usersOf(bundle: string): ConfigurationState[] {
    const named = { deployed: this.deployment?.configuration.bundle, staged: this.staged?.bundle }
    return (['deployed', 'staged'] as const).filter(state => named[state] === bundle)
  }

  /** The current deployment. */
  get deployment(): Deployment | undefined {
    return this.#shares?.deployment
  }

  /** The shares of the current deployment. */
  get shares(): Shares | undefined {
    return this.#shares
  }

  /** Makes this the current deployment. Resolves once that is on disk. */
  async deploy(shares: Shares): Promise<void> {
    await this.#store.write('synced', () => this.#configurations.deploy(shares.deployment))
    this.#shares = shares
    this.#stopped = this.#configurations.stopped()
  }

  /** Returns the share of an instance, with the desired states of its nodes, and the options that they set. */
  shareOf(shares: Shares, instance: string): SentShare {
    const options = this.#options.map(({ name, value }) => ({ name, value }))
    return { ...shares.of(instance, this.#stopped), ...(options.length > 0 ? { options } : {}) }
  }

  /** The options that nodes set while they run, sorted by name. */
  get options(): readonly StoredOption[] {
    return this.#options
  }

  /** Stores options that nodes have set: all that there are. Resolves once that is on disk. */
  async setOptions(options: readonly StoredOption[]): Promise<void> {
    const names = new Set(options.map(({ name }) => name))
    await this.#store.write('synced', () => {
      for (const { name } of this.#options) if (!names.has(name)) this.#optionTable.unset(name)
      for (const option of options) if (!this.#options.includes(option)) this.#optionTable.set(option)
    })
    this.#options = options
  }

  /** Returns the desired state of a node; undefined when it is not deployed. */
  desiredStateOf(node: string): DesiredState | undefined {
    if (!this.#shares?.has(node)) return undefined
    return this.#stopped.has(node) ? 'STOPPED' : 'RUNNING'
  }

  /** Stores the desired state of nodes, for as long as they are deployed. Resolves once that is on disk. */
  async setDesired(nodes: readonly string[], state: DesiredState): Promise<void> {
    await this.#store.write('synced', () => this.#configurations.setStopped(nodes, state === 'STOPPED'))
    this.#stopped = this.#configurations.stopped()
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

  /** Returns the packed layout with this digest, for an agent that lacks it. Throws `not_found` when there is none. */
  async layout(digest: string): Promise<string> {
    const known = [this.#shares, ...this.#offered].find(shares => shares?.digest === digest)
    if (!known) throw new AppError('not_found', 'no such layout is deployed')
    return await known.packed()
  }
}
