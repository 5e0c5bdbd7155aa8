import { agentApiVersion, agentPath } from '../schemas/agent.js'
import type { NodeStatus } from '../schemas/types.js'
import { Link, type Handlers } from '../src/link/link.js'
import { dial } from '../src/link/websocket.js'

/** An agent without a host: its link is real, its nodes run as soon as they are asked to. */
export class SimulatedAgent {
  readonly name: string
  readonly link: Link
  #nodes: NodeStatus[] = []

  private constructor (name: string, transport: Awaited<ReturnType<typeof dial>>, handlers: Handlers) {
    this.name = name
    this.link = new Link(transport, {
      deploy: ({ share }) => {
        this.#nodes = share.nodes.map(({ name: node, role, port, metrics_port: metricsPort }: any): NodeStatus => ({ node, state: 'RUNNING', mgmt_role: 'NODE', cluster_role: role, pid: 1000, ...(port === undefined ? {} : { port }), ...(metricsPort === undefined ? {} : { metrics_port: metricsPort }) }))
        return this.#nodes.map(({ node }) => ({ success: true, instance: name, node }))
      },
      standby: () => [],
      get_nodes: () => this.statuses(),
      get_id_value: ({ nodes }) => nodes.map((node: string) => ({ success: true, instance: name, node, data: { value: '"a value"' } })),
      restart: ({ nodes }) => nodes.map((node: string) => ({ success: true, instance: name, node })),
      ...handlers
    }, { heartbeatMs: 5000 })
  }

  /** Connects with the controller at a port of this machine, as its agent does. Each agent is a machine of its own. */
  static async connect (name: string, port: number, { handlers = {}, host = '127.0.0.1' }: { handlers?: Handlers, host?: string } = {}): Promise<SimulatedAgent> {
    const agent = new SimulatedAgent(name, await dial(`ws://127.0.0.1:${port}${agentPath}`, AbortSignal.timeout(60_000)), handlers)
    await agent.link.ask('hello', { api_version: agentApiVersion, name, version: '0', host, machine: `machine of ${name}`, directory: name, nodes: agent.statuses() }, { timeoutMs: 60_000 })
    return agent
  }

  /** Something that the controller writes down as an event, `notify_log`. */
  log (message: string): void {
    this.link.notify('log', { level: 'INFO', message })
  }

  statuses (): NodeStatus[] {
    return [{ node: this.name, state: 'RUNNING', mgmt_role: 'AGENT', pid: 999 }, ...this.#nodes]
  }

  async close (): Promise<void> {
    await this.link.close('the bench is over')
  }
}
