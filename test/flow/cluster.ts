import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { ClusterRequest, InstanceNode, InstanceStatus, RequestType } from '../../schemas/api.js'
import type { ClusterConfiguration, ClusterNode } from '../../schemas/types.js'
import { ask, getJson } from '../support/client.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, mainProgram } from '../support/environment.js'
import { startHost } from '../support/host.js'
import { freePorts, portFlags } from '../support/ports.js'
import { until } from '../support/until.js'

export type Host = Awaited<ReturnType<typeof startHost>>

/** The configuration of most tests: what others connect to on the first instance, a worker on each of the others. */
export function configurationOf(
  instances: readonly string[],
  nodes: Partial<ClusterNode>[] = []
): Omit<ClusterConfiguration, 'id'> {
  const [first = ''] = instances
  const all: ClusterNode[] = [
    { name: 'manager', instance: first, role: 'MANAGER' },
    { name: 'logger-1', instance: first, role: 'LOGGER' },
    ...instances.slice(1).map((instance, index): ClusterNode => ({
      name: `worker-${index + 1}`,
      instance,
      role: 'WORKER',
      interface: 'lo'
    }))
  ]
  return {
    instances: instances.map(name => ({ name })),
    nodes: all.map(node => ({ ...node, ...nodes.find(({ name }) => name === node.name) }))
  }
}

/** Waits until a controller tells that instances are connected. */
export async function untilConnected(url: string, names: readonly string[]): Promise<void> {
  await until(
    async () => {
      const { instances = [] } = (await getJson(`${url}/v1/instances`).catch(() => ({}))) as {
        instances?: InstanceStatus[]
      }
      return names.every(name => instances.some(instance => instance.name === name && instance.connected))
    },
    `${names.join(', ')} are connected`
  )
}

/** Runs zeek-cluster where it is expected not to start. */
export function start(args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [mainProgram, 'start', ...args], {
    env: { ...cleanEnv, ...env },
    encoding: 'utf8',
    timeout: 20_000
  })
}

/** A controller and agents, each instance with a supervisor in a process of its own. */
export class Cluster {
  url = ''
  readonly hosts = new Map<string, Host>()
  readonly #t: Test
  readonly #directory: string
  #flags: Record<string, string> = {}

  constructor(t: Test) {
    this.#t = t
    this.#directory = directoryOf(t)
  }

  /** Ports and short times; returned as flags for each instance. */
  async prepare(flags: Record<string, string> = {}): Promise<Record<string, string>> {
    const [http, agents] = await freePorts(2)
    this.url = `http://127.0.0.1:${http}`
    return (this.#flags = {
      'controller-websocket-port': String(http),
      'controller-port': String(agents),
      'controller-name': 'controller',
      'controller-connect-grace': '1.5',
      'controller-deploy-strategy': 'at_once',
      'agent-controller': `127.0.0.1:${agents}`,
      'agent-restart-delay': '0.3',
      'management-heartbeat': '0.5',
      'management-log-level': 'warn',
      // None among the events that a test waits for, however slow the machine.
      'controller-events-heartbeat': '600',
      ...portFlags(),
      ...flags
    })
  }

  /** Starts the first instance with the controller, the others without; resolves when all are connected. */
  async start(names: readonly string[], flags: Record<string, string> = {}): Promise<void> {
    await this.prepare(flags)
    await this.startHost(names[0]!, true)
    await Promise.all(names.slice(1).map(name => this.startHost(name, false)))
    await this.connected(...names)
  }

  async startHost(name: string, withController: boolean, flags: Record<string, string> = {}): Promise<Host> {
    const host = await startHost(
      this.#t,
      { ...this.#flags, 'agent-name': name, 'management-state-dir': this.stateDir(name), ...flags },
      withController ? ['--controller', '--agent'] : ['--agent']
    )
    this.hosts.set(name, host)
    return host
  }

  stateDir(name: string): string {
    return join(this.#directory, name)
  }

  ask(type: RequestType, args: object = {}, query = ''): Promise<ClusterRequest> {
    return ask(this.url, type, args, query)
  }

  async deploy(config: object, args: object = {}): Promise<ClusterRequest> {
    const staged = await this.ask('stage_configuration', { config })
    if (staged.state !== 'succeeded') throw new Error(JSON.stringify(staged.results))
    return await this.ask('deploy', args)
  }

  async nodes(): Promise<InstanceNode[]> {
    return (await getJson(`${this.url}/v1/nodes`)).nodes
  }

  async node(name: string): Promise<InstanceNode | undefined> {
    return (await this.nodes()).find(({ node }) => node === name)
  }

  /** Process ids of the Zeek nodes, by name. */
  async pids(): Promise<Record<string, number | undefined>> {
    return Object.fromEntries(
      (await this.nodes()).filter(({ mgmt_role: role }) => role === 'NODE').map(({ node, pid }) => [node, pid])
    )
  }

  async connected(...names: string[]): Promise<void> {
    await untilConnected(this.url, names)
  }

  async reaches(name: string, state: string, pidNot?: number): Promise<InstanceNode> {
    return await until(async () => {
      const node = await this.node(name)
      return node?.state === state && (pidNot === undefined || node.pid !== pidNot) ? node : undefined
    }, `${name} is ${state}`)
  }
}
