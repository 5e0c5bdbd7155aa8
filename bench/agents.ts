import { agentApiVersion, agentPath } from '../schemas/agent.js'
import type { NodeStatus } from '../schemas/types.js'
import { Link, type Handlers } from '../src/link/link.js'
import { dial } from '../src/link/websocket.js'
import type { Transport } from '../src/link/transport.js'
import { unpackLayout } from '../src/protocol/packed-layout.js'

/** What all agents of this process have unpacked: it is the controller that is measured. */
const unpacked = new Map<string, { packed: string; nodes: Promise<number> }>()

/** An agent without a host: its link is real, its nodes run as soon as they are asked to. */
export class SimulatedAgent {
  readonly name: string
  readonly link: Link
  /** Of text, over its link. */
  readonly bytes = { received: 0, sent: 0 }
  /** The configurations that it was asked to be, in order, with how many nodes each layout had. */
  readonly deployed: { id: string; nodes: number; layoutNodes: number }[] = []
  /** Of the layout that it has. */
  #layout: { digest: string; nodes: number } | undefined
  /** What its nodes are made of. */
  #made: string | undefined
  #nodes: NodeStatus[] = []

  private constructor(name: string, transport: Transport, handlers: Handlers, before: SimulatedAgent | undefined) {
    this.name = name
    if (before) {
      this.#layout = before.#layout
      this.#made = before.#made
      this.#nodes = before.#nodes
    }
    this.link = new Link(
      counting(transport, this.bytes),
      {
        deploy: async ({ share }) => {
          const layout = (this.#layout =
            this.#layout?.digest === share.layout
              ? this.#layout!
              : { digest: share.layout, nodes: await this.#askForLayout(share.layout) })
          this.deployed.push({ id: share.config_id, nodes: share.nodes.length, layoutNodes: layout.nodes })
          this.#nodes = share.nodes.map(({ name: node, role, port, metrics_port: metricsPort }: any): NodeStatus => ({
            node,
            state: 'RUNNING',
            mgmt_role: 'NODE',
            cluster_role: role,
            pid: 1000,
            ...(port === undefined ? {} : { port }),
            ...(metricsPort === undefined ? {} : { metrics_port: metricsPort })
          }))
          // What is the same is left alone.
          const made = JSON.stringify([share.layout, share.nodes])
          for (const [old, state] of made === this.#made
            ? []
            : ([
                ['STOPPED', 'PENDING'],
                ['PENDING', 'RUNNING']
              ] as const)) {
            for (const status of this.#nodes) {
              this.link.notify('change', { status: { ...status, state }, old_state: old, reason: 'a bench' })
            }
          }
          this.#made = made
          return this.#nodes.map(({ node }) => ({ success: true, instance: name, node }))
        },
        standby: () => [],
        get_id_value: ({ nodes }) =>
          nodes.map((node: string) => ({ success: true, instance: name, node, data: { value: '"a value"' } })),
        restart: ({ nodes }) => nodes.map((node: string) => ({ success: true, instance: name, node })),
        ...handlers
      },
      { heartbeatMs: 5000 }
    )
  }

  /**
   * Connects with the controller at a port of this machine, as its agent does. Each agent is a machine of its own.
   * `before`: what it was until its link was lost.
   */
  static async connect(
    name: string,
    port: number,
    {
      handlers = {},
      host = '127.0.0.1',
      before
    }: { handlers?: Handlers; host?: string; before?: SimulatedAgent | undefined } = {}
  ): Promise<SimulatedAgent> {
    return await SimulatedAgent.over(
      await dial(`ws://127.0.0.1:${port}${agentPath}`, AbortSignal.timeout(60_000)),
      name,
      { handlers, host, before }
    )
  }

  /** The same over any transport. */
  static async over(
    transport: Transport,
    name: string,
    {
      handlers = {},
      host = '127.0.0.1',
      before
    }: { handlers?: Handlers; host?: string; before?: SimulatedAgent | undefined } = {}
  ): Promise<SimulatedAgent> {
    const agent = new SimulatedAgent(name, transport, handlers, before)
    await agent.link.ask(
      'hello',
      {
        api_version: agentApiVersion,
        name,
        version: '0',
        host,
        machine: `machine of ${name}`,
        directory: name,
        nodes: agent.statuses()
      },
      { timeoutMs: 60_000 }
    )
    return agent
  }

  /** Something that the controller writes down as an event, `notify_log`. */
  log(message: string): void {
    this.link.notify('log', { level: 'INFO', message })
  }

  /** What the agent tells of its health, as often as its samples are taken. */
  report(): void {
    const nodes = this.#nodes.map(({ node }) => ({ node, dropped_percent: 0, packets_per_second: 1000, idle: 0 }))
    this.link.notify('health', { nodes, file_systems: [{ path: '/', size_bytes: 1e12, free_bytes: 5e11 }] })
  }

  statuses(): NodeStatus[] {
    return [{ node: this.name, state: 'RUNNING', mgmt_role: 'AGENT', pid: 999 }, ...this.#nodes]
  }

  async close(): Promise<void> {
    await this.link.close('the bench is over')
  }

  /** How many nodes it has. Read once by all agents of this process, compared by each. */
  async #askForLayout(digest: string): Promise<number> {
    const { packed } = await this.link.ask<{ packed: string }>('layout', { digest }, { timeoutMs: 60_000 })
    let known = unpacked.get(digest)
    if (!known) {
      unpacked.set(digest, (known = { packed, nodes: unpackLayout(packed, digest).then(({ nodes }) => nodes.length) }))
    }
    if (known.packed !== packed) throw new Error('two agents were sent different layouts of one digest')
    return await known.nodes
  }
}

/** A transport whose texts are counted; all of them are ASCII here. */
function counting(transport: Transport, bytes: { received: number; sent: number }): Transport {
  return {
    send: text => {
      bytes.sent += text.length
      transport.send(text)
    },
    close: reason => transport.close(reason),
    receive: receiver =>
      transport.receive({
        message: text => {
          bytes.received += text.length
          receiver.message(text)
        },
        closed: reason => receiver.closed(reason)
      })
  }
}
