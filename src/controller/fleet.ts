import { EventEmitter } from 'node:events'
import type { Logger } from 'pino'
import { agentMethods, controllerMethods, type Hello, type Layout } from '../../schemas/agent.js'
import { cut } from '../../schemas/cut.js'
import type { HealthReport } from '../../schemas/operations.js'
import type { Instance, NodeState, NodeStatus, Outcome } from '../../schemas/types.js'
import { canonicalHost } from '../addresses.js'
import { Allowance } from '../allowance.js'
import { AppError, messageOf, type Code } from '../errors.js'
import { Link, type LinkReply } from '../link/link.js'
import type { Transport } from '../link/transport.js'
import { asking, serve, type AnswerOf, type AskOptions, type ParamsOf } from '../protocol/methods.js'
import { packLayout, packWhole } from '../protocol/packed-layout.js'
import { Waiting } from '../requests/waiting.js'
import { compare, defined, hostPort, maxTimerMs } from '../util.js'
import { dated, lost } from './cluster/node-status.js'
import { ownReport } from './cluster/own-report.js'
import type { Bundles } from './bundles.js'
import type { Joins } from './joins.js'
import { Dialling } from './dialling.js'
import { EventAllowance } from './event-allowance.js'
import { readHello, type Expected, type Refusal } from './hello.js'

const askAgent = asking(agentMethods)
/** The methods that an agent may call after its hello. */
const { hello: _hello, ...told } = controllerMethods

/** Health reports of an instance, and its questions for layouts: more of them than a second has are of no use. */
const reportRate = { perSecond: 2, burst: 20 }
const layoutRate = { perSecond: 2, burst: 50 }
/** Chunks of bundles that an agent may ask for at a time: ours asks for two. */
const chunksMax = 8
/** Length of what is told of a late answer: it may be of many nodes. */
const lateLength = 2048
/** How long an agent may take until its hello, in milliseconds: it asks zeek for its version first. */
const helloMs = 60_000

/** Processes that an instance may have when one comes that it is not configured to run: of an earlier configuration. */
const otherNodesMax = 1_000
/** Processes of an instance that are no nodes: its agent, and controllers on its host. */
const managingMax = 16

export type AgentMethods = typeof agentMethods
export type AgentMethod = keyof AgentMethods

/** An instance whose agent is or was connected. */
export interface Member {
  name: string
  host: string
  machine: string
  link: Link
  hello: Hello
  connectedAt: number
  /** Last known status of every process of the instance, by name. */
  statuses: Map<string, NodeStatus>
}

export interface FleetEvents {
  connected: [Member]
  lost: [Member, string]
  change: [instance: string, status: NodeStatus, old: NodeState, reason: string]
  health: [instance: string, report: HealthReport]
  log: [instance: string, level: string, message: string]
  fault: [message: string, instance: string | undefined, node: string | undefined]
  /** Events of the instance were left out. */
  excess: [message: string, instance: string]
}

export interface FleetOptions {
  controllerName: string
  heartbeatMs: number
  retryMaxMs: number
  log: Logger
  now: () => number
  /**
   * Returns whether this controller leads now, and in which term, where it is one of several. One that is alone leads.
   */
  leadership?: () => { leads: boolean; term?: number }
  /** Returns the instance that is configured to run a node; undefined when none is. */
  ownerOf: (node: string) => string | undefined
  /** Returns the layout with a digest. Throws an AppError. */
  layout: (digest: string) => Layout
  /** Where agents get bundles from. Throws an AppError. */
  bundles: Pick<Bundles, 'files' | 'chunk'>
  /** Opens a link to an agent that is dialled. */
  dial: (
    name: string,
    address: string,
    signal: AbortSignal
  ) => Promise<{ transport: Transport; serial?: string | undefined }>
  /** Which certificates are not taken any more, and how others are renewed. Throws an AppError. */
  joins: Pick<Joins, 'isForgotten' | 'renew'>
}

/** Returns why an instance that is not connected, or that there is not, cannot be asked. */
export const notConnected = (instance: string) => `instance ${instance} is not connected`

/** The agents: which are connected, what they last reported, and how to ask them. */
export class Fleet extends EventEmitter<FleetEvents> {
  #options: FleetOptions
  #members = new Map<string, Member>()
  /** Cached list of connected members; cleared when one connects or is lost. */
  #connected: readonly Member[] | undefined
  #changes = 0
  #waiting = new Waiting()
  #dialling: Dialling
  #allowance: EventAllowance
  #reports: Allowance
  #layouts: Allowance

  constructor(options: FleetOptions) {
    super()
    this.setMaxListeners(0)
    this.#options = options
    this.#reports = new Allowance({ ...reportRate, now: options.now })
    this.#layouts = new Allowance({ ...layoutRate, now: options.now })
    this.#allowance = new EventAllowance((instance, message) => this.emit('excess', message, instance), options.now)
    this.#dialling = new Dialling({
      retryMaxMs: options.retryMaxMs,
      log: options.log,
      open: async (name, host, port, signal) => {
        const { transport, serial } = await options.dial(name, hostPort(host, port), signal)
        return this.accept(transport, host, {
          name,
          complaint: `at the address of instance ${name} there is`,
          serial
        })
      },
      isOf: (name, link) => this.#members.get(name)?.link === link,
      onFault: (problem, name) => this.emit('fault', problem, name, undefined)
    })
  }

  /** Throws when an agent has not said hello, since it has no use for an answer then, or asks too often. */
  #admit(member: Member | undefined, what: string): asserts member {
    if (!member) throw new AppError('forbidden', 'hello comes first')
    if (!this.#layouts.take(member.name)) throw new AppError('too_many_requests', `${what} are asked for too often`)
  }

  /** Counts an event that an agent causes. Returns false when it causes too much: leave it out then. */
  mayCause(instance: string, event: object = {}): boolean {
    return this.#allowance.take(instance, event)
  }

  /** Grows whenever a status changes: as long as it is the same, all of them are. */
  get changes(): number {
    return this.#changes
  }

  /** Returns the instances that are connected now, sorted by name. */
  connected(): readonly Member[] {
    return (this.#connected ??= this.known().filter(({ link }) => !link.closed.aborted))
  }

  /** Returns the instances that are or were connected, sorted by name. */
  known(): Member[] {
    return [...this.#members.values()].sort((a, b) => compare(a.name, b.name))
  }

  /** Returns an instance that is or was connected. */
  lastKnown(name: string): Member | undefined {
    return this.#members.get(name)
  }

  /** Returns an instance that is connected. */
  member(name: string): Member | undefined {
    const member = this.#members.get(name)
    return member?.link.closed.aborted ? undefined : member
  }

  /** Returns whether an instance has, or had while it was last connected, a process of this name. */
  knows(instance: string, node: string): boolean {
    return this.#members.get(instance)?.statuses.has(node) ?? false
  }

  /** Resolves with an instance once it is connected; with undefined when the signal aborts first. */
  async when(name: string, signal: AbortSignal): Promise<Member | undefined> {
    while (!signal.aborted && !this.member(name)) await this.#waiting.wait(name, maxTimerMs, signal)
    return this.member(name)
  }

  /**
   * Asks an agent. Rejects with an AppError: the agent's own, `timeout`, or `unavailable` when it is not connected or
   * gets lost. An answer that arrives after the timeout is only logged, with the request that it was for.
   */
  async ask<M extends AgentMethod>(
    instance: string,
    method: M,
    params: ParamsOf<AgentMethods[M]>,
    { reqid, ...options }: AskOptions<AgentMethods[M]> & { reqid?: string }
  ): Promise<AnswerOf<AgentMethods[M]>> {
    const member = this.member(instance)
    if (!member) throw new AppError('unavailable', notConnected(instance))
    const about = `${method}${reqid === undefined ? '' : ` of request ${reqid}`}`
    const late = (answer: LinkReply) =>
      this.emit('log', instance, 'WARNING', `late answer to ${about}: ${cut(describe(answer), lateLength)}`)
    return await askAgent(member.link, method, params, { ...options, late, from: instance })
  }

  /** Serves an agent. `expected`: the only name that it may have, and the start of the complaint about another. */
  accept(transport: Transport, peerAddress: string, expected?: Expected): Link {
    const { heartbeatMs, log, controllerName } = this.#options
    let member: Member | undefined
    let chunks = 0
    const link = new Link(
      transport,
      {
        hello: params => {
          if (member) throw new AppError('invalid_request', 'hello came twice')
          const leadership = this.#options.leadership?.()
          // Nothing that needs an operator: one that dials several controllers goes on to the next.
          if (leadership?.leads === false) this.#decline(link, 'not_leader', `${controllerName} does not lead`)
          const said = readHello(params, expected)
          if ('why' in said) this.#refuse(link, said)
          if (expected?.serial !== undefined && this.#options.joins.isForgotten(expected.serial)) {
            this.#refuse(link, {
              name: expected.name,
              why: `agent ${expected.name} was forgotten: it has to join anew`
            })
          }
          member = this.#welcome(link, said.hello, peerAddress)
          return defined({ controller: controllerName, term: leadership?.term }) satisfies AnswerOf<
            typeof controllerMethods.hello
          >
        },
        ...serve(
          told,
          {
            layout: async ({ digest }) => {
              this.#admit(member, 'layouts')
              const pack = member.hello.api_version < 14 ? packWhole : packLayout
              return { packed: await pack(this.#options.layout(digest)) }
            },
            bundle: ({ id }) => {
              this.#admit(member, 'bundles')
              return { files: this.#options.bundles.files(id) }
            },
            bundle_chunk: async ({ id, offset }) => {
              if (!member) throw new AppError('forbidden', 'hello comes first')
              if (chunks >= chunksMax) throw new AppError('too_many_requests', 'chunks are asked for too often')
              chunks++
              try {
                return { data: await this.#options.bundles.chunk(id, offset) }
              } finally {
                chunks--
              }
            },
            renew: async ({ request }) => {
              if (!member) throw new AppError('forbidden', 'hello comes first')
              return { certificate: await this.#options.joins.renew(member.name, expected?.serial, request) }
            },
            change: ({ status, old_state: old, reason }) => {
              if (member) this.#note(member, status, reason, old)
            },
            gone: ({ nodes }) => {
              for (const node of nodes) member?.statuses.delete(node)
              this.#changes++
            },
            health: report => {
              // Each is complete: one that is left out is made up for by the next.
              if (!member || !this.#reports.take(member.name)) return
              const { name, statuses } = member
              this.emit(
                'health',
                name,
                ownReport(
                  report,
                  node => statuses.has(node),
                  node => this.#options.ownerOf(node) !== undefined
                )
              )
            },
            log: ({ level, message }) => {
              if (member) this.emit('log', member.name, level, message)
            },
            error: ({ message, node }) => {
              if (!member) return
              const isOwn = node !== undefined && member.statuses.has(node) && !this.#isForeign(member, node)
              this.emit('fault', message, member.name, isOwn ? node : undefined)
            }
          },
          { unknown: 'drop' }
        )
      },
      {
        heartbeatMs,
        onError: error => {
          const who = member?.name ?? expected?.name ?? peerAddress
          if (this.mayCause(who)) log.warn(`agent ${who}: ${messageOf(error)}`)
        }
      }
    )
    const patience = setTimeout(() => {
      if (!member) void link.close('there was no hello')
    }, helloMs).unref()
    link.closed.addEventListener(
      'abort',
      () => {
        clearTimeout(patience)
        if (member) this.#lose(member, String(link.closed.reason))
      },
      { once: true }
    )
    return link
  }

  /** Dials the instances that have a `listen_port`, again whenever they are lost, and no other instances. */
  dial(instances: readonly Instance[], hostOf: (instance: Instance) => string | undefined): void {
    this.#dialling.dial(instances, hostOf)
  }

  /** Ends the link of an agent. */
  disconnect(name: string, why: string): void {
    void this.member(name)?.link.close(why)
  }

  async close(): Promise<void> {
    this.#dialling.close()
    this.#allowance.close()
    await Promise.all(this.connected().map(({ link }) => link.close('the controller is stopping')))
  }

  /** Ends the link of an agent that cannot be accepted, and reports why. */
  #refuse(link: Link, { name, why }: Refusal): never {
    this.emit('fault', why, name, undefined)
    this.#decline(link, 'invalid_request', why)
  }

  /** Fails the hello of an agent, and ends its link once that is answered. */
  #decline(link: Link, code: Code, why: string): never {
    setImmediate(() => {
      void link.close(why)
    })
    throw new AppError(code, why)
  }

  #welcome(link: Link, hello: Hello, peerAddress: string): Member {
    const { name } = hello
    const before = this.#members.get(name)
    if (before && !before.link.closed.aborted) {
      // The same agent again: its old connection is dead, which was not noticed yet.
      if (before.machine === hello.machine && before.hello.directory === hello.directory) {
        void before.link.close('another connection has taken over')
      } else this.#refuse(link, { name, why: `there is an agent ${name} already, at ${before.host}` })
    }
    const member: Member = {
      name,
      link,
      hello,
      host: canonicalHost(hello.host ?? peerAddress),
      machine: hello.machine,
      connectedAt: this.#options.now(),
      // The old statuses show what has changed meanwhile.
      statuses: before?.statuses ?? new Map()
    }
    this.#members.set(name, member)
    this.#connected = undefined
    this.#changes++
    this.emit('connected', member)
    this.#waiting.release(name)
    const gone = new Set(member.statuses.keys())
    for (const status of hello.nodes) {
      gone.delete(status.node)
      this.#note(member, status, `the agent reports${status.reason === undefined ? '' : `: ${status.reason}`}`)
    }
    for (const node of gone) member.statuses.delete(node)
    this.#changes++
    return member
  }

  #lose(member: Member, reason: string): void {
    this.#connected = undefined
    // A newer connection has taken over its place, and its nodes.
    if (this.#members.get(member.name) !== member) return
    this.emit('lost', member, reason)
    for (const status of [...member.statuses.values()]) this.#note(member, lost(status, reason, this.#options.now()))
  }

  /** Returns whether another instance is configured to run a node: nobody but its agent speaks for it. */
  #isForeign({ name }: Member, node: string): boolean {
    return (this.#options.ownerOf(node) ?? name) !== name
  }

  /** Returns whether an instance has as many processes of that kind already as it can have. */
  #isFull({ name: instance, statuses }: Member, { node, mgmt_role: role }: NodeStatus): boolean {
    if (role === 'NODE') return statuses.size >= otherNodesMax && this.#options.ownerOf(node) !== instance
    return [...statuses.values()].filter(({ mgmt_role: role }) => role !== 'NODE').length >= managingMax
  }

  #note(member: Member, status: NodeStatus, reason = status.reason ?? '', said?: NodeState): void {
    const before = member.statuses.get(status.node)
    if (this.#isForeign(member, status.node) || (!before && this.#isFull(member, status))) return
    const old = said ?? before?.state ?? 'UNKNOWN'
    member.statuses.set(status.node, dated(status, before, reason, this.#options.now()))
    this.#changes++
    if (status.mgmt_role === 'NODE' && old !== status.state) this.emit('change', member.name, status, old, reason)
  }
}

/** Summarizes an agent's answer in one line, without its data. */
function describe(answer: LinkReply): string {
  if ('error' in answer) return answer.error.message
  const outcomes = [answer.result].flat() as Partial<Outcome>[]
  return [
    ...new Set(
      outcomes.map(outcome =>
        outcome?.success === undefined
          ? 'answered'
          : `${outcome.node}: ${outcome.success ? 'succeeded' : (outcome.error ?? 'failed')}`
      )
    )
  ].join(', ')
}
