import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TSchema } from '@sinclair/typebox'
import type { Logger } from 'pino'
import { agentApiVersion, agentMethods, controllerMethods, Hello } from '../../schemas/agent.js'
import { HealthReport } from '../../schemas/operations.js'
import type { Instance, NodeState, NodeStatus, Outcome } from '../../schemas/types.js'
import { checker } from '../../schemas/validator.js'
import { canonicalHost } from '../addresses.js'
import { AppError, invalid, messageOf } from '../errors.js'
import { Link, type LinkReply } from '../link/link.js'
import type { Transport } from '../link/transport.js'
import { backoff, compare, hostPort, maxTimerMs } from '../util.js'
import { Waiting } from '../requests/waiting.js'
import { dated, lost } from './cluster/node-status.js'

const checkHello = checker(Hello, invalid)
const checkChange = checker(controllerMethods.change.params, invalid)
const checkGone = checker(controllerMethods.gone.params, invalid)
const checkLayout = checker(controllerMethods.layout.params, invalid)
const checkHealth = checker(HealthReport, invalid)
const checkLog = checker(controllerMethods.log.params, invalid)
const checkError = checker(controllerMethods.error.params, invalid)
const checkAnswer = Object.fromEntries(
  Object.entries(agentMethods).map(([method, { answer }]) => [method, checker(answer, invalid)])
) as Record<AgentMethod, (value: unknown, at: string) => any>
const checkPart = Object.fromEntries(
  Object.entries(agentMethods).map(([method, definition]) => [
    method,
    'part' in definition ? checker<TSchema>(definition.part, invalid) : undefined
  ])
) as Partial<Record<AgentMethod, (value: unknown, at: string) => any>>

const retryMs = 250

export type AgentMethod = keyof typeof agentMethods

/** An instance whose agent is connected, or was. */
export interface Member {
  name: string
  host: string
  machine: string
  link: Link
  hello: Hello
  connectedAt: number
  /** Every process of the instance, by name, as last heard. */
  statuses: Map<string, NodeStatus>
}

export interface FleetEvents {
  connected: [Member]
  lost: [Member, string]
  change: [instance: string, status: NodeStatus, old: NodeState, reason: string]
  health: [instance: string, report: HealthReport]
  log: [instance: string, level: string, message: string]
  fault: [message: string, instance: string | undefined, node: string | undefined]
}

export interface FleetOptions {
  controllerName: string
  heartbeatMs: number
  retryMaxMs: number
  log: Logger
  now: () => number
  /** The layout of a digest, packed. Throws an AppError. */
  layout: (digest: string) => Promise<string>
  /** Opens a link to an agent that is dialled. */
  dial: (name: string, address: string, signal: AbortSignal) => Promise<Transport>
}

/** The agents: who is connected, what they last said, and how to ask them. */
export class Fleet extends EventEmitter<FleetEvents> {
  #options: FleetOptions
  #members = new Map<string, Member>()
  /** Until one comes or goes. */
  #connected: readonly Member[] | undefined
  #waiting = new Waiting()
  #dialling = new Map<string, { address: string; stop: AbortController }>()
  #closing = new AbortController()

  constructor(options: FleetOptions) {
    super()
    this.setMaxListeners(0)
    this.#options = options
  }

  /** Those connected now, sorted by name. */
  connected(): readonly Member[] {
    return (this.#connected ??= this.known().filter(({ link }) => !link.closed.aborted))
  }

  /** Those connected now or before, sorted by name. */
  known(): Member[] {
    return [...this.#members.values()].sort((a, b) => compare(a.name, b.name))
  }

  member(name: string): Member | undefined {
    const member = this.#members.get(name)
    return member?.link.closed.aborted ? undefined : member
  }

  /** Waits until an instance is connected; undefined when the signal aborts first. */
  async when(name: string, signal: AbortSignal): Promise<Member | undefined> {
    while (!signal.aborted && !this.member(name)) await this.#waiting.wait(name, maxTimerMs, signal)
    return this.member(name)
  }

  /**
   * Asks an agent. Rejects with an AppError: its own, `timeout`, or `unavailable` when it is not connected or gets lost.
   * An answer that comes after its time is only told, with the request that it was for.
   */
  async ask(
    instance: string,
    method: AgentMethod,
    params: object,
    { timeoutMs, reqid, onPart }: { timeoutMs: number; reqid?: string; onPart?: ((part: any) => void) | undefined }
  ): Promise<any> {
    const member = this.member(instance)
    if (!member) throw new AppError('unavailable', `instance ${instance} is not connected`)
    const late = (answer: LinkReply) =>
      this.emit(
        'log',
        instance,
        'WARNING',
        `late answer to ${method}${reqid === undefined ? '' : ` of request ${reqid}`}: ${describe(answer)}`
      )
    return checkAnswer[method](
      await member.link.ask(method, params, {
        timeoutMs,
        late,
        onPart: onPart && (part => onPart(checkPart[method]?.(part, instance)))
      }),
      instance
    )
  }

  /** Serves an agent. `expected`: the only name that it may have, and what to say of another. */
  accept(transport: Transport, peerAddress: string, expected?: { name: string; complaint: string }): Link {
    const { heartbeatMs, log, controllerName } = this.#options
    let member: Member | undefined
    const link = new Link(
      transport,
      {
        hello: params => {
          member = this.#welcome(link, params, peerAddress, expected)
          return { controller: controllerName }
        },
        layout: async params => {
          // Only what is known as an agent has any use for it.
          if (!member) throw new AppError('forbidden', 'hello comes first')
          return { packed: await this.#options.layout(checkLayout(params, 'layout').digest) }
        },
        change: params => {
          const { status, old_state: old, reason } = checkChange(params, 'change')
          if (member) this.#note(member, status, reason, old)
        },
        gone: params => {
          for (const node of checkGone(params, 'gone').nodes) member?.statuses.delete(node)
        },
        health: params => {
          if (member) this.emit('health', member.name, checkHealth(params, 'health'))
        },
        log: params => {
          const { level, message } = checkLog(params, 'log')
          if (member) this.emit('log', member.name, level, message)
        },
        error: params => {
          const { message, node } = checkError(params, 'error')
          if (member) this.emit('fault', message, member.name, node)
        }
      },
      { heartbeatMs, onError: error => log.warn(`agent ${member?.name ?? peerAddress}: ${messageOf(error)}`) }
    )
    link.closed.addEventListener(
      'abort',
      () => {
        if (member) this.#lose(member, String(link.closed.reason))
      },
      { once: true }
    )
    return link
  }

  /** Dials those of the instances that have a port to be dialled at, again whenever they are lost, and no others. */
  dial(instances: readonly Instance[], hostOf: (instance: Instance) => string | undefined): void {
    const wanted = new Map(
      instances.flatMap(instance => {
        const { name, listen_port: port } = instance
        const host = hostOf(instance)
        return port === undefined || host === undefined ? [] : [[name, { host, port }] as const]
      })
    )
    for (const [name, { address, stop }] of this.#dialling) {
      const target = wanted.get(name)
      if (target && address === `${target.host} ${target.port}`) continue
      stop.abort()
      this.#dialling.delete(name)
    }
    for (const [name, { host, port }] of wanted) {
      if (this.#dialling.has(name)) continue
      const stop = new AbortController()
      this.#dialling.set(name, { address: `${host} ${port}`, stop })
      void this.#keepDialling(name, host, port, AbortSignal.any([stop.signal, this.#closing.signal]))
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.connected().map(({ link }) => link.close('the controller is stopping')))
  }

  /** Never rejects. A link that is up is kept when the instance is no longer to be dialled. */
  async #keepDialling(name: string, host: string, port: number, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const link = this.accept(await this.#options.dial(name, hostPort(host, port), signal), host, {
          name,
          complaint: `at the address of instance ${name} there is`
        })
        await once(link.closed, 'abort', { signal })
        // One that was refused is not asked more and more often.
        if (this.#members.get(name)?.link === link) attempt = 0
      } catch (error) {
        this.#options.log.debug(`cannot reach instance ${name}: ${messageOf(error)}`)
      }
      await sleep(backoff(attempt, retryMs, this.#options.retryMaxMs), undefined, { signal }).catch(() => {})
    }
  }

  #welcome(
    link: Link,
    params: any,
    peerAddress: string,
    expected: { name: string; complaint: string } | undefined
  ): Member {
    const name = String(params?.name)
    const refuse = (why: string): never => {
      this.emit('fault', why, name, undefined)
      setImmediate(() => {
        void link.close(why)
      })
      throw new AppError('invalid_request', why)
    }
    // First of all: what another version says may look different.
    if (params?.api_version !== agentApiVersion) {
      refuse(`agent ${name} speaks version ${params?.api_version}, not ${agentApiVersion}`)
    }
    const hello = checkHello(params, 'hello')
    if (expected !== undefined && expected.name !== name) refuse(`${expected.complaint} agent ${name}`)
    const before = this.#members.get(name)
    if (before && !before.link.closed.aborted) {
      // The same one again: its old connection is dead and does not know it yet.
      if (before.machine === hello.machine && before.hello.directory === hello.directory) {
        void before.link.close('another connection has taken over')
      } else refuse(`there is an agent ${name} already, at ${before.host}`)
    }
    const member: Member = {
      name,
      link,
      hello,
      host: canonicalHost(hello.host ?? peerAddress),
      machine: hello.machine,
      connectedAt: this.#options.now(),
      // What it was before tells what has changed meanwhile.
      statuses: before?.statuses ?? new Map()
    }
    this.#members.set(name, member)
    this.#connected = undefined
    this.emit('connected', member)
    this.#waiting.release(name)
    const gone = new Set(member.statuses.keys())
    for (const status of hello.nodes) {
      gone.delete(status.node)
      this.#note(member, status, `the agent reports${status.reason === undefined ? '' : `: ${status.reason}`}`)
    }
    for (const node of gone) member.statuses.delete(node)
    return member
  }

  #lose(member: Member, reason: string): void {
    this.#connected = undefined
    // Its successor has taken over its place, and its nodes.
    if (this.#members.get(member.name) !== member) return
    this.emit('lost', member, reason)
    for (const status of [...member.statuses.values()]) this.#note(member, lost(status, reason, this.#options.now()))
  }

  #note(member: Member, status: NodeStatus, reason = status.reason ?? '', said?: NodeState): void {
    const before = member.statuses.get(status.node)
    const old = said ?? before?.state ?? 'UNKNOWN'
    member.statuses.set(status.node, dated(status, before, reason, this.#options.now()))
    if (status.mgmt_role === 'NODE' && old !== status.state) this.emit('change', member.name, status, old, reason)
  }
}

/** What an agent has answered, in a line, without its data. */
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
