import type { SentShare } from '../../../schemas/agent.js'
import type { Configuration, DesiredState, Instance } from '../../../schemas/types.js'
import { AppError } from '../../errors.js'
import type { ConfigurationTable, Deployment, InstanceAddress } from '../../store/configurations.js'
import type { Store } from '../../store/store.js'
import { whyOutdated } from './outdated.js'
import { Shares } from './shares.js'

/**
 * The facts about the cluster: what is staged and deployed, what nodes are to be, where instances are, and the layouts that
 * agents may ask for. It survives restarts of the controller, and asks nobody.
 */
export class Cluster {
  #store: Store
  #configurations: ConfigurationTable
  #shares: Shares | undefined
  #stopped: Set<string>
  #addresses: Map<string, InstanceAddress>
  #offered = new Set<Shares>()

  constructor(store: Store, configurations: ConfigurationTable) {
    this.#store = store
    this.#configurations = configurations
    const { deployment } = configurations
    this.#shares = deployment && new Shares(deployment)
    this.#stopped = configurations.stopped()
    this.#addresses = configurations.addresses()
  }

  get staged(): Configuration | undefined {
    return this.#configurations.staged
  }

  /** Only inside of a write. */
  stage(configuration: Configuration): void {
    this.#configurations.stage(configuration)
  }

  /** What is deployed. */
  get deployment(): Deployment | undefined {
    return this.#shares?.deployment
  }

  /** The shares of what is deployed. */
  get shares(): Shares | undefined {
    return this.#shares
  }

  /** Makes a deployment the one that is deployed. Resolves once that is on disk. */
  async deploy(shares: Shares): Promise<void> {
    await this.#store.write('synced', () => this.#configurations.deploy(shares.deployment))
    this.#shares = shares
    this.#stopped = this.#configurations.stopped()
  }

  /** The share of an instance, with what its nodes are to be. */
  shareOf(shares: Shares, instance: string): SentShare {
    return shares.of(instance, this.#stopped)
  }

  /** What a node is to be; undefined when it is not deployed. */
  desiredStateOf(node: string): DesiredState | undefined {
    if (!this.#shares?.has(node)) return undefined
    return this.#stopped.has(node) ? 'STOPPED' : 'RUNNING'
  }

  /** Keeps what nodes are to be, for as long as they are deployed. Resolves once that is on disk. */
  async setDesired(nodes: readonly string[], state: DesiredState): Promise<void> {
    await this.#store.write('synced', () => this.#configurations.setStopped(nodes, state === 'STOPPED'))
    this.#stopped = this.#configurations.stopped()
  }

  /** Where instances are, or were last, by name. */
  get addresses(): ReadonlyMap<string, InstanceAddress> {
    return this.#addresses
  }

  /** The address that the configuration gives an instance, else where it is or was last. */
  readonly hostOf = ({ name, host }: Instance): string | undefined => host ?? this.#addresses.get(name)?.host

  /** Keeps where an instance is. Returns where it was. A store that fails does not matter now: it is written later. */
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

  /** The instances that are not where they were when the cluster was deployed, each with what to do. */
  moved(): [instance: string, why: string][] {
    const shares = this.#shares
    if (!shares) return []
    return shares.names.flatMap((name): [string, string][] => {
      const why = whyOutdated(shares, name, this.#addresses.get(name)?.host)
      return why === undefined ? [] : [[name, why]]
    })
  }

  /** Lets agents ask for the layout of shares that are not deployed, until the job is over. */
  async offering<T>(shares: Shares, job: () => Promise<T>): Promise<T> {
    this.#offered.add(shares)
    try {
      return await job()
    } finally {
      this.#offered.delete(shares)
    }
  }

  /** The layout of this digest, packed, for an agent that lacks it. Throws `not_found` when there is none. */
  async layout(digest: string): Promise<string> {
    const known = [this.#shares, ...this.#offered].find(shares => shares?.digest === digest)
    if (!known) throw new AppError('not_found', 'no such layout is deployed')
    return await known.packed()
  }
}
