import type { ClusterConfiguration } from '../../schemas/types.js'
import type { Layout } from '../../schemas/agent.js'
import type { Store } from './store.js'

/** A deployment: the configuration, and what every node knows of the cluster. */
export interface Deployment {
  configuration: ClusterConfiguration
  layout: Layout
  /** Instances whose address is the one that their agent had at the time. Earlier versions did not store it. */
  located?: string[]
  /** By host, ports that foreign processes held and that were left to them: later deployments skip them, too. */
  skipped?: Record<string, number[]>
  /** The revision that it is of; null where that is none. Earlier versions did not store it: then it is of the newest. */
  revision?: number | null
  /** Names of the nodes that are as they were before that revision. */
  held?: string[]
  /** What was deployed before, where instances go on with that: those with exactly the nodes that they had, all held. */
  before?: Deployment
  /** How far it has come, when it goes over the nodes in steps, and what was deployed before. */
  rollout?: { step: number; of: number; before?: number }
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
    this.#write('staged', configuration)
    this.#store.run("UPDATE configurations SET time = ?, who = ? WHERE state = 'staged'", time, who ?? null)
  }

  deploy(deployment: Deployment): void {
    this.#write('deployed', deployment)
    // Until its end nodes may come back.
    if (deployment.rollout) return
    const names = JSON.stringify(deployment.configuration.nodes.map(({ name }) => name))
    this.#store.run('DELETE FROM stopped_nodes WHERE name NOT IN (SELECT value FROM json_each(?))', names)
  }

  /** Returns the names of the nodes whose desired state is stopped. */
  stopped(): Set<string> {
    return new Set(this.#store.all<{ name: string }>('SELECT name FROM stopped_nodes').map(({ name }) => name))
  }

  setStopped(nodes: readonly string[], stopped: boolean): void {
    const sql = stopped ? 'INSERT OR IGNORE INTO stopped_nodes VALUES (?)' : 'DELETE FROM stopped_nodes WHERE name = ?'
    for (const node of nodes) this.#store.run(sql, node)
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

  #write(state: 'staged' | 'deployed', body: object): void {
    this.#store.run(
      'INSERT INTO configurations (state, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body',
      state,
      JSON.stringify(body)
    )
  }
}
