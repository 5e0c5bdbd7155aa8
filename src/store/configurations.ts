import type { ElasticGroup } from '../../schemas/groups.js'
import type { ClusterConfiguration } from '../../schemas/types.js'
import type { CurveKeys, Layout } from '../../schemas/agent.js'
import type { Store } from './store.js'

/** A deployment: the configuration, and what every node knows of the cluster. */
export interface Deployment {
  configuration: ClusterConfiguration
  layout: Layout
  /** With these its nodes encrypt what they say to each other; without, they do not, or have keys of their own. */
  curve?: CurveKeys
  /** Instances whose address is the one that their agent had at the time. Earlier versions did not store it. */
  located?: string[]
  /** By host, ports that foreign processes held and that were left to them: later deployments skip them, too. */
  skipped?: Record<string, number[]>
  /** Its groups of which not all workers need run, on each instance. */
  elastic?: ElasticGroup[]
  /** Their workers that are spares when it is deployed; what becomes of them then is not kept here. */
  spares?: string[]
  /**
   * The revision that it is of; null where that is none. Earlier versions did not store it: then it is of the newest.
   */
  revision?: number | null
  /** Names of the nodes that are as they were before that revision. */
  held?: string[]
  /**
   * What was deployed before, where instances go on with that: those with exactly the nodes that they had, all held.
   */
  before?: Deployment
  /** How far it has come, when it goes over the nodes in steps, and what was deployed before. */
  rollout?: { step: number; of: number; before?: number }
}

/** When a worker of an elastic group was last started or stopped for it, and why. */
export interface ElasticChange {
  name: string
  instance: string
  time: number
  reason: string
  /** How many packets a second each worker got when they last dropped too many: they cannot do with as many. */
  overload?: number | undefined
}

/** Nodes that are to be stopped: spares of elastic groups, and those that an operator has stopped. */
export interface Stopped {
  spares: Set<string>
  byOperators: Set<string>
}

export interface InstanceAddress {
  host: string
  machine: string
}

/** When something was staged, and by whom, where that is known. */
export interface Staging {
  time: number
  who?: string | undefined
}

/** The configurations, and the last known addresses of instances. Call writing methods only inside of a `write`. */
export class ConfigurationTable {
  #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get staged(): ClusterConfiguration | undefined {
    return this.#read<ClusterConfiguration>('staged')
  }

  get deployment(): Deployment | undefined {
    return this.#read<Deployment>('deployed')
  }

  /** How the staged configuration came there; undefined where an earlier version has staged it, or nothing is. */
  get staging(): Staging | undefined {
    const row = this.#store.get<{ time: number | null; who: string | null }>(
      "SELECT time, who FROM configurations WHERE state = 'staged'"
    )
    return row && row.time !== null ? { time: row.time, who: row.who ?? undefined } : undefined
  }

  stage(configuration: ClusterConfiguration, { time, who }: Staging): void {
    this.#write('staged', configuration, { time, who })
  }

  /** Makes this the deployment, with these of its nodes as spares. */
  deploy(deployment: Deployment, spares: readonly string[]): void {
    this.#write('deployed', deployment)
    const { configuration, elastic = [], rollout } = deployment
    for (const node of spares) this.setSpare(node, true)
    // Until its end nodes may come back, and may be spares again.
    if (rollout) return
    const names = JSON.stringify(configuration.nodes.map(({ name }) => name))
    this.#store.run('DELETE FROM stopped_nodes WHERE name NOT IN (SELECT value FROM json_each(?))', names)
    this.#store.run(
      'DELETE FROM stopped_nodes WHERE spare = 1 AND name NOT IN (SELECT value FROM json_each(?))',
      JSON.stringify(spares)
    )
    const places = JSON.stringify(elastic.map(({ name, instance }) => `${instance} ${name}`))
    this.#store.run(
      "DELETE FROM elastic_changes WHERE instance || ' ' || name NOT IN (SELECT value FROM json_each(?))",
      places
    )
  }

  /** Returns the names of the nodes whose desired state is stopped. */
  stopped(): Stopped {
    const rows = this.#store.all<{ name: string; spare: number }>('SELECT name, spare FROM stopped_nodes')
    const named = (spare: number) => new Set(rows.filter(row => row.spare === spare).map(({ name }) => name))
    return { spares: named(1), byOperators: named(0) }
  }

  setStopped(nodes: readonly string[], stopped: boolean): void {
    const sql = stopped
      ? 'INSERT INTO stopped_nodes (name, spare) VALUES (?, 0) ON CONFLICT DO UPDATE SET spare = 0'
      : 'DELETE FROM stopped_nodes WHERE name = ?'
    for (const node of nodes) this.#store.run(sql, node)
  }

  /** The same of a worker of an elastic group: one that an operator has stopped stays so. */
  setSpare(node: string, spare: boolean): void {
    const sql = spare
      ? 'INSERT OR IGNORE INTO stopped_nodes (name, spare) VALUES (?, 1)'
      : 'DELETE FROM stopped_nodes WHERE name = ? AND spare = 1'
    this.#store.run(sql, node)
  }

  /** Returns whether a node is stored as a spare. */
  isSpare(node: string): boolean {
    return this.#store.get('SELECT 1 FROM stopped_nodes WHERE name = ? AND spare = 1', node) !== undefined
  }

  /** Returns the last change of each elastic group on each instance. */
  elasticChanges(): ElasticChange[] {
    return this.#store
      .all<ElasticChange & { overload: number | null }>(
        'SELECT name, instance, time, reason, overload FROM elastic_changes'
      )
      .map(({ overload, ...change }) => ({ ...change, overload: overload ?? undefined }))
  }

  setElasticChange({ name, instance, time, reason, overload }: ElasticChange): void {
    this.#store.run(
      'INSERT OR REPLACE INTO elastic_changes (name, instance, time, reason, overload) VALUES (?, ?, ?, ?, ?)',
      name,
      instance,
      time,
      reason,
      overload ?? null
    )
  }

  /** Returns the addresses by name of the instance. */
  addresses(): Map<string, InstanceAddress> {
    return new Map(
      this.#store
        .all<InstanceAddress & { name: string }>('SELECT name, host, machine FROM instances')
        .map(({ name, host, machine }) => [name, { host, machine }])
    )
  }

  setAddress(name: string, { host, machine }: InstanceAddress): void {
    this.#store.run(
      'INSERT INTO instances VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET host = excluded.host, machine = excluded.machine',
      name,
      host,
      machine
    )
  }

  #read<T>(state: 'staged' | 'deployed'): T | undefined {
    const row = this.#store.get<{ body: string }>('SELECT body FROM configurations WHERE state = ?', state)
    return row && JSON.parse(row.body)
  }

  #write(state: 'staged' | 'deployed', body: object, { time, who }: Partial<Staging> = {}): void {
    this.#store.run(
      `INSERT INTO configurations (state, body, time, who) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET body = excluded.body, time = excluded.time, who = excluded.who`,
      state,
      JSON.stringify(body),
      time ?? null,
      who ?? null
    )
  }
}
