import { EventEmitter } from 'node:events'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Layout, SentShare, Share } from '../../schemas/agent.js'
import type { NodeStatus, Outcome } from '../../schemas/types.js'
import { AppError, messageOf } from '../errors.js'
import type { UnitStatus } from '../supervisor/program.js'
import { packageRoot, Sequence, writeFileAtomically } from '../util.js'
import { nodeScript } from '../zeek/command.js'
import { findZeek } from '../zeek/executable.js'
import { layoutFile } from '../zeek/layout.js'
import { digestOf } from '../zeek/packed-layout.js'
import type { AgentSettings } from './config.js'
import { ManagedNode, type Change } from './managed-node.js'
import type { Memory } from './memory.js'
import { directories, inStartOrder, layoutOf, programOf } from './program.js'
import type { Programs } from './programs.js'

/**
 * The nodes of this instance. It makes them match the share that it was given last, whatever they were before, and
 * leaves alone what already does. Emits `changed` for each change of a node's status, and `gone` with the names of nodes that are none of
 * this instance any more.
 */
export class NodeTable extends EventEmitter<{ changed: [Change], gone: [string[]] }> {
  #settings: AgentSettings
  #env: NodeJS.ProcessEnv
  #programs: Programs
  #memory: Memory
  #nodes = new Map<string, ManagedNode>()
  /** One at a time: what is stopped must be gone before its successor starts. */
  #work = new Sequence()
  /** What the nodes are made to match. */
  #share: Share | undefined

  constructor (settings: AgentSettings, env: NodeJS.ProcessEnv, programs: Programs, memory: Memory) {
    super()
    this.#settings = settings
    this.#env = env
    this.#programs = programs
    this.#memory = memory
    programs.on('changed', unit => this.#nodes.get(unit.name)?.follow(unit))
  }

  /** The configuration that the nodes are of. */
  get configId (): string | undefined {
    return this.#share?.config_id
  }

  statuses (): NodeStatus[] {
    return [...this.#nodes.values()].map(node => node.status)
  }

  /** Makes the nodes match what was remembered; they need no controller for it. */
  async resume (): Promise<void> {
    const share = await this.#memory.load()
    if (share) await this.#work.run(() => this.#apply(share, false))
  }

  /**
   * Makes the nodes match the share; `force` restarts those that already do. `lacking` gets a layout that is not the one
   * that they have. One outcome per node.
   */
  async deploy (sent: SentShare, lacking: (digest: string) => Promise<Layout>, force: boolean, signal: AbortSignal): Promise<Outcome[]> {
    // Waiting is not part of the work: the next deployment need not wait for a node that hangs.
    const started = await this.#work.run(async () => {
      const known = this.#share?.layout
      const share = { ...sent, layout: known && digestOf(known) === sent.layout ? known : await lacking(sent.layout) }
      await this.#memory.save(share)
      return await this.#apply(share, force)
    })
    return await Promise.all(sent.nodes.map(async ({ name }) => started.get(name) ?? await this.#outcome(name, signal)))
  }

  /** Stops every node and forgets them. */
  async standby (): Promise<void> {
    await this.#work.run(async () => {
      await this.#memory.clear()
      this.#share = undefined
      await this.#stop((await this.#programs.status()).filter(unit => unit.kind === 'detached').map(unit => unit.name))
      this.#replace(new Map())
    })
  }

  /** Restarts the named nodes. One outcome per node. Throws `timeout` when it is given up before its turn. */
  async restart (names: readonly string[], signal: AbortSignal): Promise<Outcome[]> {
    const known = names.flatMap(name => this.#nodes.get(name) ?? [])
    await this.#work.run(async () => {
      // Whoever asked has been told so, and may have asked again.
      if (signal.aborted) throw new AppError('timeout', 'request timed out')
      await this.#stopInOrder(known)
      await this.#startInOrder(known)
    })
    return await Promise.all(names.map(async name => {
      if (!this.#nodes.has(name)) return this.#failed(name, 'unknown cluster node')
      const outcome = await this.#outcome(name, signal)
      return outcome.success ? outcome : { ...outcome, error: `could not restart node ${name}` }
    }))
  }

  /** Asks the named nodes for the value of an identifier. One outcome per node. */
  async idValues (id: string, names: readonly string[], signal: AbortSignal): Promise<Outcome[]> {
    return await Promise.all(names.map(async name => {
      const node = this.#nodes.get(name)
      if (!node) return this.#failed(name, 'unknown cluster node')
      if (node.status.state !== 'RUNNING' || !node.client) return this.#failed(name, `cluster node ${name} not in running state`)
      try {
        return { ...this.#succeeded(name), data: { value: await node.client.idValue(id, signal) } }
      } catch (error) {
        return this.#failed(name, messageOf(error))
      }
    }))
  }

  /** Stops what differs, starts what does not run. Returns the outcome of each node that cannot even be tried. */
  async #apply (share: Share, force: boolean): Promise<Map<string, Outcome>> {
    this.#share = share
    const units = new Map((await this.#programs.status()).filter(unit => unit.kind === 'detached').map(unit => [unit.name, unit]))
    const wanted = new Map<string, ManagedNode>()
    try {
      const zeek = await findZeek(this.#settings.bin, this.#env)
      await this.#writeScripts(share)
      for (const node of share.nodes) wanted.set(node.name, new ManagedNode(node, programOf(node, share, zeek, this.#settings, this.#env)))
    } catch (error) {
      // Without zeek nothing can be compared or started; what runs goes on.
      return new Map(share.nodes.map(({ name }) => [name, this.#failed(name, messageOf(error))]))
    }
    const same = (name: string) => !force && units.get(name)?.state === 'RUNNING' && units.get(name)?.tag === wanted.get(name)?.program.tag
    await this.#stop([...units.keys()].filter(name => !same(name)))
    this.#adopt(wanted, units, same)
    await this.#startInOrder([...wanted.values()].filter(({ node }) => !same(node.name)))
    return new Map()
  }

  /** The new table; what is the same keeps its entry, and with it its state. */
  #adopt (wanted: Map<string, ManagedNode>, units: Map<string, UnitStatus>, same: (name: string) => boolean): void {
    const before = this.#replace(new Map([...wanted].map(([name, node]) => [name, (same(name) ? this.#nodes.get(name) : undefined) ?? node])))
    for (const [name, node] of wanted) {
      if (before.get(name) === this.#nodes.get(name)) continue
      node.on('changed', change => this.emit('changed', change))
      const unit = units.get(name)
      if (unit && same(name)) node.follow(unit)
    }
  }

  /** Returns the table before. */
  #replace (nodes: Map<string, ManagedNode>): Map<string, ManagedNode> {
    const before = this.#nodes
    this.#nodes = nodes
    const gone = [...before.keys()].filter(name => !nodes.has(name))
    if (gone.length > 0) this.emit('gone', gone)
    return before
  }

  async #writeScripts (share: Share): Promise<void> {
    const { scripts, node } = directories(this.#settings)
    await mkdir(scripts, { recursive: true })
    await copyFile(join(packageRoot, 'src', 'zeek', nodeScript), join(scripts, nodeScript))
    await writeFileAtomically(join(scripts, layoutFile), layoutOf(share))
    for (const { name } of share.nodes) await mkdir(node(name), { recursive: true })
  }

  /** Stops programs by name: those in the table in reverse start order, others first. */
  async #stop (names: readonly string[]): Promise<void> {
    await Promise.all(names.filter(name => !this.#nodes.has(name)).map(name => this.#programs.stop(name)))
    await this.#stopInOrder(names.flatMap(name => this.#nodes.get(name) ?? []))
  }

  async #stopInOrder (nodes: readonly ManagedNode[]): Promise<void> {
    for (const group of inStartOrder(nodes).reverse()) await Promise.all(group.map(({ node }) => this.#programs.stop(node.name)))
  }

  /** Spawns; it does not wait for a node to join. */
  async #startInOrder (nodes: readonly ManagedNode[]): Promise<void> {
    for (const group of inStartOrder(nodes)) {
      for (const node of group) {
        node.expect()
        await this.#programs.start(node.program)
      }
    }
  }

  async #outcome (name: string, signal: AbortSignal): Promise<Outcome> {
    const ending = await this.#nodes.get(name)?.ending(signal)
    if (ending === 'RUNNING') return this.#succeeded(name)
    const data = await this.#programs.output(name).catch(() => ({ stdout: '', stderr: '' }))
    return ending === 'TIMEOUT' ? { ...this.#failed(name, 'request timed out'), data } : { success: false, instance: this.#settings.agent_name, node: name, data }
  }

  #succeeded (node: string): Outcome {
    return { success: true, instance: this.#settings.agent_name, node }
  }

  #failed (node: string, error: string): Outcome {
    return { success: false, instance: this.#settings.agent_name, node, error }
  }
}
