import type { HealthReport, InstanceStats } from '../../../schemas/operations.js'
import { secretNames } from '../../security/secret-names.js'
import { findZeek } from '../../zeek/executable.js'
import type { Archiver } from '../logs/archiver.js'
import type { AgentContext } from '../config.js'
import { fileSystems, readInstance, type StorageDirectory } from './instance-stats.js'
import type { NodeHealth } from './node-health.js'
import type { NodeTable } from '../nodes/node-table.js'
import { directories } from '../nodes/zeek-program.js'

/** This instance as a whole: its resources and its health. */
export class LocalInstance {
  #context: AgentContext
  #table: NodeTable
  #nodes: NodeHealth
  #archiver: Archiver | undefined
  #places: StorageDirectory[]

  /** `archiver` is undefined when others archive. */
  constructor(context: AgentContext, table: NodeTable, nodes: NodeHealth, archiver: Archiver | undefined) {
    const { settings } = context
    const { spool, archive } = directories(settings)
    this.#context = context
    this.#table = table
    this.#nodes = nodes
    this.#archiver = archiver
    this.#places = [
      { path: settings.management_state_dir, holds: 'state' },
      { path: spool, holds: 'spool' },
      { path: archive, holds: 'logs' }
    ]
  }

  /** Returns the version of its zeek; undefined when there is none. */
  async zeekVersion(): Promise<string | undefined> {
    const { settings, env } = this.#context
    return (await findZeek(settings.bin, env).catch(() => undefined))?.version
  }

  async stats(signal: AbortSignal): Promise<InstanceStats> {
    // A zeek that descends from the agent itself belongs to a check.
    const own = [process.pid, ...this.#table.statuses().flatMap(({ pid }) => pid ?? [])]
    const stats = await readInstance({
      zeekVersion: await this.zeekVersion(),
      places: this.#places,
      own,
      isSecret: secretNames(this.#context.settings.management_secrets),
      signal
    })
    return this.#archiver ? { ...stats, archive: this.#archiver.status() } : stats
  }

  async health(): Promise<HealthReport> {
    return {
      ...this.#nodes.report(),
      drift: await this.#table.drift(),
      file_systems: await fileSystems(this.#places),
      ...(this.#archiver ? { archive: this.#archiver.status() } : {})
    }
  }
}
