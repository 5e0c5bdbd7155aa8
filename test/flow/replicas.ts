import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Problem } from '../../schemas/api.js'
import type { Replica } from '../../schemas/replication.js'
import { getJson } from '../support/client.js'
import { directoryOf } from '../support/directory.js'
import { argumentsOf, cleanEnv, mainProgram } from '../support/environment.js'
import { here, type Nats, type Place } from '../support/nats.js'
import { freePorts, portFlags } from '../support/ports.js'
import { childrenOf } from '../support/running.js'
import { until } from '../support/until.js'
import { untilConnected } from './cluster.js'
import { Service } from './service.js'

interface Member {
  url: string
  /** Where its agents connect. */
  agents: string
  place: Place
  flags: Record<string, string>
  service?: Service
}

/** Several controllers on one log, and agents that know all of them; each with a supervisor that is kept running. */
export class Replicas {
  readonly directory: string
  readonly #t: Test
  readonly #all: Record<string, string>
  readonly #members: ReadonlyMap<string, Member>

  private constructor(t: Test, directory: string, all: Record<string, string>, members: ReadonlyMap<string, Member>) {
    this.#t = t
    this.directory = directory
    this.#all = all
    this.#members = members
  }

  /** Makes the log for controllers of these names, at their places. None is started. */
  static async create(
    t: Test,
    nats: Nats,
    places: Readonly<Record<string, Place>>,
    flagsOf: (name: string) => Record<string, string> = () => ({})
  ): Promise<Replicas> {
    const directory = directoryOf(t)
    const all = { 'management-heartbeat': '0.5', 'management-log-level': 'warn', ...portFlags() }
    const members = new Map<string, Member>()
    for (const [name, place] of Object.entries(places)) {
      const [http, agents] = await freePorts(2)
      const own = flagsOf(name)
      const url = `http${'controller-tls-cert' in own || 'controller-authority-cert' in own ? 's' : ''}://${place.address}:${http}`
      members.set(name, {
        url,
        agents: `${place.address}:${agents}`,
        place,
        flags: {
          ...all,
          'controller-name': name,
          'controller-addr': place.address,
          'controller-websocket-addr': place.address,
          'controller-websocket-port': String(http),
          'controller-port': String(agents),
          'controller-url': url,
          'controller-nats': nats.urls.join(','),
          'controller-nats-monitors': nats.monitors.join(','),
          'controller-nats-replicas': String(nats.servers.length),
          'controller-events-heartbeat': '600',
          'management-state-dir': join(directory, name),
          ...own
        }
      })
    }
    const [first] = members.values()
    const init = ['replication', 'init', '--controllers', [...members.keys()].join(','), ...argumentsOf(first!.flags)]
    const { status, stdout, stderr } = spawnSync(process.execPath, [mainProgram, ...init], {
      env: cleanEnv,
      encoding: 'utf8'
    })
    if (status !== 0 || !/^the log begins in term \d+, at 0/.test(stdout)) throw new Error(`${stdout}${stderr}`)
    return new Replicas(t, directory, all, members)
  }

  get names(): string[] {
    return [...this.#members.keys()]
  }

  /** Where agents connect to each of them. */
  get agentAddresses(): string[] {
    return [...this.#members.values()].map(({ agents }) => agents)
  }

  urlOf(name: string): string {
    return this.#members.get(name)!.url
  }

  /** Starts controllers, with a command in front of each if one is given. */
  start(names = this.names, prefix: readonly string[] = []): void {
    for (const name of names) {
      const member = this.#members.get(name)!
      member.service = Service.start(this.#t, ['--controller'], member.flags, {
        prefix: [...(member.place.prefix ?? []), ...prefix]
      })
    }
  }

  async stop(name: string): Promise<void> {
    await this.#members.get(name)!.service!.stop()
  }

  startAgent(name: string, place = here, own: Record<string, string> = {}): Service {
    const controllers = this.agentAddresses.join(',')
    const directory = join(this.directory, name)
    const flags = {
      ...this.#all,
      'agent-name': name,
      'agent-controller': controllers,
      'management-state-dir': directory,
      ...own
    }
    return Service.start(this.#t, ['--agent'], flags, place.prefix ? { prefix: place.prefix } : {})
  }

  /** Process id of the supervisor of a controller. */
  supervisorOf(name: string): number | undefined {
    return this.#members.get(name)!.service?.pid
  }

  /** Process id of a controller. */
  async pidOf(name: string): Promise<number> {
    return await until(() => {
      const supervisor = this.supervisorOf(name)
      return supervisor === undefined ? undefined : childrenOf(supervisor)[0]
    }, `${name} runs`)
  }

  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    process.kill(await this.pidOf(name), signal)
  }

  /** What one of them tells of all; nothing while it does not answer. */
  async tell(name: string): Promise<readonly Replica[]> {
    const { replicas } = await getJson(`${this.urlOf(name)}/v1/replication`).catch(() => ({ replicas: [] }))
    return replicas as Replica[]
  }

  /** Resolves with the one that leads, as some of them tell, once one does that is not excluded. */
  async leader({ among = this.names, besides }: { among?: string[]; besides?: string } = {}): Promise<string> {
    return (await until(async () => {
      for (const name of among) {
        if (name === besides) continue
        const leading = (await this.tell(name)).find(({ role }) => role === 'leader')
        if (leading && leading.name !== besides) return leading.name
      }
      return undefined
    }, 'one leads'))!
  }

  /** Resolves once one leads, and all the others have what it has. */
  async level(): Promise<void> {
    await until(async () => {
      const told = await Promise.all(this.names.map(async name => await this.tell(name)))
      const roles = told[0]!.map(({ role = '' }) => role).sort()
      const places = new Set(told.flatMap(replicas => replicas.map(({ term, place }) => `${term}.${place}`)))
      return places.size === 1 && roles.join(' ') === 'follower follower leader' && told.every(one => one.length === 3)
    }, 'all are level')
  }

  /** Resolves once one of them says that nobody leads, and all tell what is known. */
  async onlyTell(via: string): Promise<void> {
    // The one that led is away until it has begun anew.
    const send = async (url: string, init: RequestInit = {}) =>
      await fetch(url, { ...init, signal: AbortSignal.timeout(5_000) }).catch(() => undefined)
    await until(async () => {
      const refusal = await send(`${this.urlOf(via)}/v1/requests/get_instances`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}'
      })
      return refusal?.status === 503 && ((await refusal.json()) as Problem).code === 'not_leader'
    }, 'nobody leads')
    for (const name of this.names) {
      await until(async () => (await send(`${this.urlOf(name)}/v1/revisions`))?.status === 200, `${name} tells`)
    }
  }

  /** Resolves once agents are connected to the leader. */
  async connected(agents: readonly string[], via: string): Promise<void> {
    await untilConnected(this.urlOf(via), agents)
  }

  /** Name, process id and state of each node, as the leader knows them. */
  async nodes(via: string): Promise<unknown[]> {
    const { nodes } = await getJson(`${this.urlOf(via)}/v1/nodes?role=MANAGER,LOGGER,WORKER`)
    return nodes.map(({ node, pid, state }: Record<string, unknown>) => [node, pid, state])
  }
}
