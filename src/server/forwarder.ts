import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { PassThrough, pipeline } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Agent, buildConnector, errors, type Dispatcher } from 'undici'
import type { Problem } from '../../schemas/api.js'
import { AppError, messageOf } from '../errors.js'
import { parsePlace, placeHeader, type LogPlace } from '../log-place.js'
import { checkController } from '../security/check-controller.js'
import { defined, hostOf } from '../util.js'
import { forwardedHeader } from './access/forwarded.js'

export interface ForwarderOptions {
  /** Returns the controller that leads, as far as it is known. */
  leader: () => { name: string; url: string } | undefined
  /** Resolves once this controller has everything until a place of the log, or after a while: with whether it has. */
  reached: (place: LogPlace) => Promise<boolean>
  /** Returns the header that says who has asked. */
  sign: (request: IncomingMessage, path?: string) => string
  /** Authorities (PEM) of the certificates that other controllers show; undefined for those that Node knows. */
  ca: readonly string[] | undefined
}

/** How long is waited for one that leads, and how often is looked, in milliseconds. */
const patienceMs = 1_000
const retryMs = 50
/** How long a connection to the leader may take, in milliseconds. */
const connectMs = 2_000
/** How long the leader may take to answer what it has at hand, in milliseconds. */
const answerMs = 10_000
/** How often is looked whether the one that was asked still leads, in milliseconds. */
const lookMs = 500
/** What is between two machines only (RFC 9110, 7.6.1), and what no client may say. */
const ownHeaders = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect'],
  forwardedHeader
])

/**
 * Passes requests on to the controller that leads, and its answers back, as they come: what another controller cannot
 * answer. Never further than that: one that does not lead when it arrives there is refused.
 */
export class Forwarder {
  #options: ForwarderOptions
  #agent: Agent
  /** The clients whose WebSockets are open. */
  #upgraded = new Set<Socket>()

  constructor(options: ForwarderOptions) {
    this.#options = options
    const connect = buildConnector({
      timeout: connectMs,
      checkServerIdentity: checkController,
      ...(options.ca && { ca: [...options.ca] })
    })
    this.#agent = new Agent({
      connect: (target, done) =>
        // The certificate is to be that of the leader, and not of the host that the client has named.
        connect({ ...target, servername: undefined }, (...[error, socket]) => {
          if (error) done(unreached(error), null)
          else done(null, socket)
        }),
      // What is waited for, and what comes on streams, may take long.
      headersTimeout: 0,
      bodyTimeout: 0
    })
  }

  /** Forwards a request whose body is not read yet. Throws `not_leader` where that did nothing. */
  async forward({ raw }: FastifyRequest, reply: FastifyReply): Promise<void> {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const { url } = await this.#leader()
    const hasBody = raw.headers['transfer-encoding'] !== undefined || raw.headers['content-length'] !== undefined
    const sent = this.#options.sign(raw)
    const body = hasBody ? bodyOf(raw) : null
    const forget = this.#watch(url, () => gone.abort())
    let answer: Dispatcher.ResponseData
    try {
      answer = await this.#agent.request({
        origin: url,
        path: raw.url!,
        method: raw.method as Dispatcher.HttpMethod,
        headers: { ...passedOn(raw.headers), [forwardedHeader]: sent },
        body,
        signal: gone.signal
      })
    } catch (error) {
      forget()
      body?.destroy()
      throw failureOf(error, raw)
    }
    answer.body.once('close', forget)
    // Whoever writes here, and reads here then, finds what was written.
    await this.#reached(answer.headers)
    // From here on, what goes wrong ends the connection.
    reply.raw.writeHead(answer.statusCode, passedOn(answer.headers))
    reply.hijack()
    reply.raw.flushHeaders()
    pipeline(answer.body, reply.raw, () => {})
  }

  /**
   * Asks the leader for something on behalf of a client, and resolves with what that answers once this controller has
   * what it tells of. Throws what the leader refuses, `not_leader`, and `unavailable` while this one is behind.
   */
  async get(raw: IncomingMessage, path: string, signal: AbortSignal): Promise<unknown> {
    const { url } = await this.#leader()
    const { authorization, cookie } = raw.headers
    try {
      const answer = await this.#agent.request({
        origin: url,
        path,
        method: 'GET',
        headers: { ...defined({ authorization, cookie }), [forwardedHeader]: this.#options.sign(raw, path) },
        headersTimeout: answerMs,
        signal
      })
      const told = await answer.body.json()
      if (answer.statusCode !== 200) throw refusalIn(told)
      if (await this.#reached(answer.headers)) return told
    } catch (error) {
      throw failureOf(error, { method: 'GET' })
    }
    throw new AppError('unavailable', 'this controller is behind the one that leads')
  }

  /** Forwards what asks for a WebSocket. Throws `not_leader`; `refuse` is called with what goes wrong later. */
  async upgrade(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    refuse: (error: unknown) => void
  ): Promise<void> {
    const { url } = await this.#leader()
    if (socket.destroyed) return
    const { ca } = this.#options
    const { protocol, hostname, port } = new URL(url)
    const host = hostOf(hostname)
    const target = {
      host,
      port,
      // What a client asks for may be a whole URL, too: it goes to the leader nevertheless.
      path: request.url!,
      headers: {
        ...passedOn(request.headers),
        connection: 'upgrade',
        upgrade: 'websocket',
        [forwardedHeader]: this.#options.sign(request)
      },
      agent: false
    }
    const out =
      protocol === 'https:'
        ? requestHttps({
            ...target,
            checkServerIdentity: checkController,
            servername: isIP(host) === 0 ? host : '',
            ...(ca && { ca: [...ca] })
          })
        : requestHttp(target)
    out.setTimeout(connectMs, () => out.destroy(new Error('no answer')))
    socket.once('close', () => out.destroy())
    let isAnswered = false
    out.on('upgrade', (response, upstream, first) => {
      isAnswered = true
      // From here on, either may be silent.
      for (const end of [socket, upstream]) end.setTimeout(0)
      socket.write(headOf(response))
      socket.write(first)
      upstream.write(head)
      const forget = this.#watch(url, () => upstream.destroy())
      this.#upgraded.add(socket)
      pipeline(socket, upstream, socket, () => {
        forget()
        this.#upgraded.delete(socket)
      })
    })
    out.on('response', response => {
      isAnswered = true
      socket.write(headOf(response, 'connection: close\r\n'))
      pipeline(response, socket, () => socket.destroy())
    })
    out.on('error', error => {
      if (isAnswered) socket.destroy()
      else refuse(failureOf(error, request))
    })
    out.end()
  }

  /** Ends what is forwarded. */
  async close(): Promise<void> {
    for (const socket of this.#upgraded) socket.destroy()
    await this.#agent.destroy()
  }

  /** Resolves once this controller has what an answer of the leader tells of, or after a while: with whether it has. */
  async #reached({ [placeHeader]: told }: IncomingHttpHeaders): Promise<boolean> {
    const place = parsePlace(String(told))
    return place === undefined || (await this.#options.reached(place))
  }

  /** Returns the controller that leads, which may be about to. */
  async #leader(): Promise<{ name: string; url: string }> {
    for (let waited = 0; waited < patienceMs; waited += retryMs) {
      const leader = this.#options.leader()
      if (leader) return leader
      await sleep(retryMs)
    }
    throw new AppError('not_leader', 'none of the controllers leads at the moment')
  }

  /** Calls a function once another controller leads than that at a URL: what that was asked it may never answer. */
  #watch(url: string, lost: () => void): () => void {
    const timer = setInterval(() => {
      if ((this.#options.leader()?.url ?? url) === url) return
      clearInterval(timer)
      lost()
    }, lookMs)
    return () => clearInterval(timer)
  }
}

/** Returns the headers that go through: not those either that are named to be for the next machine only. */
function passedOn(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(/[ \t,]+/)
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || ownHeaders.has(name) || named.includes(name) ? [] : [[name, value] as const]
    )
  )
}

/**
 * Returns the body of a request. Whoever destroys it has the rest of it thrown away: the client's connection goes on,
 * and it is answered.
 */
function bodyOf(raw: IncomingMessage): PassThrough {
  const body = raw.pipe(new PassThrough())
  body.on('error', () => {})
  body.once('close', () => raw.resume())
  return body
}

/** Returns the first lines of an answer, as they came. */
function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage, more = ''): string {
  const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}\r\n`] : []))
  const kept = more === '' ? lines : lines.filter(line => !/^(connection|keep-alive|transfer-encoding):/i.test(line))
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${kept.join('')}${more}\r\n`
}

/** Returns the error for a leader to which nothing was sent. */
function unreached(error: unknown): AppError {
  return new AppError('not_leader', `the controller that leads cannot be reached: ${messageOf(error)}`)
}

/** Returns the error that the leader has answered. */
function refusalIn(told: unknown): AppError {
  const { code, detail } = told as Partial<Problem>
  return new AppError(code ?? 'unavailable', detail ?? 'the controller that leads has not said why it refuses')
}

/** Returns what to say of a request that has got no answer. */
function failureOf(error: unknown, { method }: Pick<IncomingMessage, 'method'>): AppError {
  if (error instanceof AppError) return error
  if (error instanceof errors.InvalidArgumentError) return new AppError('invalid_request', messageOf(error))
  // To ask again changes nothing.
  if (method === 'GET' || method === 'HEAD') return unreached(error)
  return new AppError(
    'unavailable',
    'the controller that leads has not answered: ask whether it accepted this, or repeat it with its Idempotency-Key'
  )
}
