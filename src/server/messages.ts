import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import {
  requests as definitions,
  requestTypes,
  type ClusterRequest,
  type RequestArguments,
  type RequestDefinition,
  type RequestType
} from '../../schemas/api.js'
import { covers } from '../../schemas/access.js'
import type { Outcome, ResultWithoutReqid } from '../../schemas/types.js'
import { checker } from '../../schemas/validator.js'
import { AppError, invalid, messageOf } from '../errors.js'
import type { Answer } from '../requests/task.js'
import { packageVersion, timeOrderedId } from '../util.js'
import {
  controllerTopic,
  decodeRequest,
  encodeRequest,
  encodeResponse,
  isZeeks,
  type ZeekRequest
} from '../zeek/websocket/controller-api.js'
import { encodeEvent } from '../zeek/websocket/message.js'
import { MessageServer } from '../zeek/websocket/message-server.js'
import type { Subscriber } from '../zeek/websocket/subscriber.js'
import type { ControllerSettings } from '../controller/config.js'
import type { Controller } from '../controller/controller.js'
import type { Guard, Principal } from './access/guard.js'
import type { Limits } from './access/limits.js'

const checks = Object.fromEntries(
  requestTypes.map(type => [type, checker(definitions[type].arguments, invalid)])
) as Record<RequestType, (value: unknown, at: string) => RequestArguments>

/** How long a client may take to subscribe: it has nothing else to do. */
const handshakeMs = 10_000
/** Longer than zeek-client waits for a response: it restarts its timeout with every frame. */
const pingMs = 30_000

/** Viewers send no configurations: over HTTP they have as much. */
const viewerBytes = 1_048_576
/** Messages up to this are read even when too much was asked for, so that they can be answered. */
const smallBytes = 16_384

/** A request that was received as an event. */
interface Asked {
  from: Subscriber<Principal>
  /** Sends results to the client, under its own ID. */
  answer: (results: readonly ResultWithoutReqid[]) => void
  /** Whether the client was answered before the response was published. */
  isAnswered: boolean
  /** Called when the request is answered and written down. */
  ended: () => void
}

/** What decides on clients of the WebSocket API. */
export interface MessagesAccess {
  guard: Pick<Guard, 'hold' | 'allow'>
  limits: Pick<Limits, 'messages' | 'charge' | 'measure' | 'refuseToil' | 'isReckless'>
}

/**
 * Serves clients of Zeek's WebSocket API, such as zeek-client: their events are requests, and every request and
 * response, of any caller, is published to them as an event. Only the client that has asked is answered under its own
 * ID; all others see the controller's. So none can be given the answer of another one, whatever ID it chooses.
 */
export class Messages {
  readonly server: MessageServer<Principal>
  #controller: Controller
  #guard: MessagesAccess['guard']
  #limits: MessagesAccess['limits']
  #settings: ControllerSettings
  #log: Logger
  /** Requests of these clients, by the controller's own IDs. */
  #asked = new Map<string, Asked>()

  constructor(controller: Controller, { guard, limits }: MessagesAccess, settings: ControllerSettings, log: Logger) {
    this.#controller = controller
    this.#guard = guard
    this.#limits = limits
    this.#settings = settings
    this.#log = log
    this.server = new MessageServer({
      name: settings.controller_name,
      version: packageVersion,
      messageMax: settings.controller_body_limit,
      unansweredMax: settings.controller_messages_unanswered_max,
      backlogMax: settings.controller_messages_backlog_max,
      handshakeMs,
      idleMs: settings.controller_messages_idle * 1000,
      pingMs,
      // It is of the whole cluster.
      hears: principal => !isLimited(principal),
      refusal: (bytes, principal) => this.#refusalOf(bytes, principal),
      onEvent: (topic, event, from) =>
        limits.measure(from.owner, () => {
          const request = decodeRequest(event)
          if (topic.startsWith(controllerTopic)) return this.#serve(request, from)
          // Others could take it for what the controller says.
          if (covers(from.owner.role, 'operator') && !isLimited(from.owner)) this.server.publish(topic, event, from)
          return undefined
        }),
      log
    })
  }

  /**
   * Accepts a client, which may do what its role allows for as long as its token or certificate is valid. Throws
   * `unavailable` or `too_many_requests` when there are too many.
   */
  upgrade(request: IncomingMessage, connection: Socket, head: Buffer, principal: Principal): void {
    connection.once('close', this.#limits.messages.take(principal))
    this.server.upgrade(request, connection, head, principal)
    this.#guard.hold(principal, connection)
  }

  close(): Promise<void> {
    return this.server.close()
  }

  /** Publishes a request, if Zeek has its type, once it is written down. */
  started({ reqid, type, arguments: args }: ClusterRequest): void {
    const from = this.#asked.get(reqid)?.from
    if (isZeeks(type) && this.server.isHeard(controllerTopic, from)) {
      this.server.publish(controllerTopic, encodeRequest({ type, reqid, arguments: args }), from)
    }
  }

  /**
   * Publishes a response, once it is written down, and answers the client that has asked; not for a configuration,
   * which it gets separately, with its secrets.
   */
  finished({ reqid, type, state, results }: ClusterRequest): void {
    const asked = this.#asked.get(reqid)
    try {
      if (!isZeeks(type) || state === 'expired') return
      if (asked?.isAnswered === false && type !== 'get_configuration') asked.answer(results)
      if (this.server.isHeard(controllerTopic, asked?.from)) {
        this.server.publish(controllerTopic, encodeResponse(type, reqid, results), asked?.from)
      }
    } finally {
      asked?.ended()
    }
  }

  /**
   * Counts a message as work for its sender. Returns why it is not read: small ones always are, since what is too much
   * can then be answered.
   */
  #refusalOf(bytes: number, principal: Principal): string | undefined {
    if (bytes > viewerBytes && !covers(principal.role, 'operator')) {
      return `a message of a viewer has at most ${viewerBytes} bytes`
    }
    try {
      if (bytes > smallBytes || this.#limits.isReckless(principal)) this.#limits.refuseToil(principal)
    } catch (error) {
      return messageOf(error)
    }
    this.#limits.charge(principal, { received: bytes })
    return undefined
  }

  /** Serves a request. Resolves once it is answered. */
  #serve(request: ZeekRequest, from: Subscriber<Principal>): Promise<void> {
    return new Promise(resolve => {
      void this.#ask(request, from, resolve)
    })
  }

  async #ask(
    { type, reqid: clientReqid, arguments: args }: ZeekRequest,
    from: Subscriber<Principal>,
    answered: () => void
  ): Promise<void> {
    const reqid = timeOrderedId()
    const { sight } = this.#controller.seenBy(from.owner)
    const answer = (results: readonly ResultWithoutReqid[]) => {
      if (from.isSubscribedTo(controllerTopic)) {
        const seen = sight ? sight.results(results, { arguments: args, limited_to: from.owner.labels }) : results
        const frame = encodeEvent(controllerTopic, encodeResponse(type, clientReqid, seen))
        this.#limits.charge(from.owner, { sent: frame.length })
        from.send(frame)
      }
    }
    const asked: Asked = { from, answer, isAnswered: false, ended: () => {} }
    const onAnswer = ({ results }: Answer) => {
      asked.isAnswered = true
      answer(results)
      answered()
    }
    try {
      const { role, limited }: RequestDefinition = definitions[type]
      this.#guard.allow(from.owner, { role, limited }, () => type)
      const ended = new Promise<void>(resolve => {
        asked.ended = resolve
      })
      this.#asked.set(reqid, asked)
      const checked = checks[type](
        type === 'deploy'
          ? {
              ...args,
              check: this.#settings.controller_messages_check,
              strategy: this.#settings.controller_messages_strategy
            }
          : args,
        ''
      )
      const timeout = Math.min(
        this.#controller.patience(type, checked, from.owner),
        this.#settings.controller_messages_timeout_max
      )
      const { own } = await this.#controller.request(type, checked, { timeout, reqid, by: from.owner, onAnswer })
      if (own) answer(own)
      await ended
    } catch (error) {
      // Zeek has no answer for what cannot be accepted, so zeek-client would wait in vain. Sent to this client only.
      if (!asked.isAnswered) {
        from.send(encodeEvent(controllerTopic, encodeResponse(type, clientReqid, [this.#refusal(error, args)])))
      }
    } finally {
      this.#asked.delete(reqid)
      answered()
    }
  }

  #refusal(error: unknown, args: RequestArguments): Outcome {
    if (error instanceof AppError) {
      return {
        success: false,
        error:
          error.errors?.map(({ field, message }) => `${nameOf(field, args)} ${message}`).join('; ') ?? error.message
      }
    }
    this.#log.error({ err: error }, 'a message was not served')
    return { success: false, error: 'internal error' }
  }
}

const isLimited = ({ labels }: Principal) => labels !== undefined

/** Returns the name of a field as its sender knows it: the index of an element of a set would mean nothing. */
function nameOf(field: string, { config, nodes }: RequestArguments): string {
  const [, list, index, rest = ''] = /^\/(config\/instances|config\/nodes|nodes)\/(\d+)\/?(.*)$/.exec(field) ?? []
  if (list === undefined) return field.slice(1)
  const isInstance = list === 'config/instances'
  const name =
    list === 'nodes' ? nodes?.[Number(index)] : config?.[isInstance ? 'instances' : 'nodes'][Number(index)]?.name
  return `${isInstance ? 'instance' : 'node'} '${name}' ${rest}`.trimEnd()
}
