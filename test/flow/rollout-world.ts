import { setTimeout as sleep } from 'node:timers/promises'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { ClusterRequest, InstanceNode, RequestType } from '../../schemas/api.js'
import type { Revision } from '../../schemas/revisions.js'
import type { ClusterConfiguration } from '../../schemas/types.js'
import { startTestAgent } from '../support/agent.js'
import { ask, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { freePorts, portFlags } from '../support/ports.js'

export const hosts = ['sensor-1', 'sensor-2', 'sensor-3'] as const
export type Host = (typeof hosts)[number]

/** A process of a node, as the kernel tells of it. */
export interface NodeProcess {
  pid: number
  node: string
  instance: string
  env: Record<string, string>
}

/** The deployed configuration, as a client gets it. */
export interface Deployed {
  configuration: ClusterConfiguration
  revision: number
}

/** A controller, three agents and their nodes: what is done to them, and what is true of them. */
export class World {
  /** Of all requests, in order. */
  readonly reqids: string[] = []
  url = ''
  #t: Test
  #directory: string
  #flags: Record<string, string>
  #controller: Awaited<ReturnType<typeof startTestController>> | undefined
  #agents = new Map<string, Awaited<ReturnType<typeof startTestAgent>>>()

  private constructor(t: Test, directory: string, flags: Record<string, string>) {
    this.#t = t
    this.#directory = directory
    this.#flags = flags
  }

  static async start(t: Test): Promise<World> {
    const [http, agents] = await freePorts(2)
    const directory = directoryOf(t)
    const world = new World(t, directory, {
      'management-state-dir': join(directory, 'controller'),
      'controller-websocket-port': String(http),
      'controller-port': String(agents),
      ...portFlags()
    })
    await world.startController()
    await Promise.all(
      hosts.map(async name => {
        const agent = await startTestAgent(
          t,
          name,
          agents!,
          // Whoever is killed is back soon, however often; a node that cannot run is given up soon.
          {
            'management-retry-max': '0.3',
            'agent-restart-delay-max': '0.4',
            'agent-restart-reset': '1',
            'agent-restart-max': '4'
          },
          join(directory, name)
        )
        world.#agents.set(name, agent)
      })
    )
    return world
  }

  async startController(): Promise<void> {
    this.#controller = await startTestController(this.#t, this.#flags)
    this.url = this.#controller.url
  }

  async closeController(): Promise<void> {
    await this.#controller!.close()
  }

  async closeAgent(host: Host): Promise<void> {
    await this.#agents.get(host)!.close()
  }

  async startAgent(host: Host): Promise<void> {
    await this.#agents.get(host)!.again()
  }

  /** POSTs a request and returns it finished. */
  async ask(type: RequestType, args: object): Promise<ClusterRequest> {
    const request = await ask(this.url, type, args)
    this.reqids.push(request.reqid)
    return request
  }

  /** POSTs a request. */
  async submit(type: RequestType, args: object): Promise<string> {
    const response = await fetch(`${this.url}/v1/requests/${type}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(args)
    })
    const answer = (await response.json()) as ClusterRequest
    if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(answer)}`)
    this.reqids.push(answer.reqid)
    return answer.reqid
  }

  async request(reqid: string): Promise<ClusterRequest> {
    return await getJson(`${this.url}/v1/requests/${reqid}`)
  }

  /** Resolves with a request once it is over, or is so far. */
  async until(reqid: string, isSoFar: (request: ClusterRequest) => boolean, ms = 60_000): Promise<ClusterRequest> {
    for (const end = Date.now() + ms; ; await sleep(25)) {
      const request = await this.request(reqid)
      if (request.state !== 'pending' || isSoFar(request)) return request
      if (Date.now() > end) throw new Error(`request ${reqid} is still pending: ${JSON.stringify(request.rollout)}`)
    }
  }

  /** Directs a rollout. Returns whether that was accepted. */
  async direct(reqid: string, action: string): Promise<boolean> {
    const { status } = await fetch(`${this.url}/v1/requests/${reqid}${action === 'cancel' ? '' : `/${action}`}`, {
      method: action === 'cancel' ? 'DELETE' : 'POST'
    })
    if (status !== 200 && status !== 409) throw new Error(`${action}: ${status}`)
    return status === 200
  }

  async deployed(): Promise<Deployed> {
    const { configuration, revision } = await getJson(`${this.url}/v1/configurations/deployed`)
    return { configuration, revision }
  }

  async revisions(): Promise<Revision[]> {
    return (await getJson(`${this.url}/v1/revisions?limit=100`)).revisions
  }

  async nodes(): Promise<InstanceNode[]> {
    return (await getJson(`${this.url}/v1/nodes?role=MANAGER,LOGGER,PROXY,WORKER&limit=100`)).nodes
  }

  async isInterrupted(): Promise<boolean> {
    const { reasons } = await getJson(`${this.url}/v1/health`)
    return reasons.some(({ code }: { code: string }) => code === 'rollout_interrupted')
  }

  async connected(): Promise<string[]> {
    const { instances } = await getJson(`${this.url}/v1/instances`)
    return instances.filter(({ connected }: any) => connected).map(({ name }: any) => name)
  }

  /** Events of one type, in order. */
  async events(types: string, reqid?: string): Promise<any[]> {
    const query = `types=${types}&limit=1000${reqid === undefined ? '' : `&reqid=${reqid}`}`
    const { events, next } = await getJson(`${this.url}/v1/events/history?${query}`)
    if (next !== undefined) throw new Error('there are more events than one page has')
    return events.reverse()
  }

  /** The processes of nodes, whoever knows of them: those that work in the directory of a node. */
  processes(): NodeProcess[] {
    return readdirSync('/proc')
      .filter(entry => /^\d+$/.test(entry))
      .flatMap(pid => {
        try {
          const place = readlinkSync(`/proc/${pid}/cwd`)
          if (!place.startsWith(`${this.#directory}/`)) return []
          const [instance, nodes, node, more] = place.slice(this.#directory.length + 1).split('/')
          if (nodes !== 'nodes' || !instance || !node || more !== undefined) return []
          const env = readFileSync(`/proc/${pid}/environ`, 'utf8')
            .split('\0')
            .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const)
          return [{ pid: Number(pid), node, instance, env: Object.fromEntries(env) }]
        } catch {
          // It has just ended, or is somebody else's.
          return []
        }
      })
  }
}
