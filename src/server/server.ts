import { setMaxListeners } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { Server as TlsServer } from 'node:tls'
import type { TSchema } from '@sinclair/typebox'
import {
  fastify,
  LogController,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchema
} from 'fastify'
import type { Logger } from 'pino'
import { snapshotPath } from '../../routes/events.js'
import { routes } from '../../routes/index.js'
import type { Needs } from '../../schemas/access.js'
import type { Problem } from '../../schemas/api.js'
import type { ControlEvent } from '../../schemas/events.js'
import { checker } from '../../schemas/validator.js'
import { AppError, invalid } from '../errors.js'
import type { Hub } from '../events/hub.js'
import type { Group } from '../replication/group.js'
import { formatPlace, parsePlace, placeHeader } from '../log-place.js'
import type { Access } from './access/access.js'
import { acceptJsonOnly } from './body.js'
import type { Controller } from '../controller/controller.js'
import { withoutSecrets } from '../security/token.js'
import { forwardedHeader } from './access/forwarded.js'
import { serveDocument } from './document.js'
import type { Principal } from './access/guard.js'
import type { Messages } from './messages.js'
import type { Metrics } from './metrics.js'
import { pagesDirectory, servePages } from './pages.js'
import { emitCloseOfQueuedResponses } from './pipeline.js'
import { headersOf, problemOf } from './problem.js'
import { refuseMessage, takeUpgrades } from './upgrade.js'
import { limitReceiving } from './receiving.js'
import { countWork } from './work.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether only the controller answers that leads, though nothing is changed. */
    isOfLeader?: boolean
  }
  interface FastifyRequest {
    /** The authenticated caller. */
    principal: Principal
  }
}

export interface ServerOptions {
  controller: Controller
  metrics: Metrics
  messages: Pick<Messages, 'upgrade' | 'close'>
  access: Access
  /** How this controller is one of several; undefined for one that is alone. */
  group: Pick<Group, 'leads' | 'leader' | 'lagMs' | 'position' | 'reached' | 'ca'> | undefined
  bodyLimit: number
  /** Where the files of the web console and the guide are; where a build puts them, unless a test has its own. */
  pages?: string | undefined
  /** Called before there are routes, by who makes the OpenAPI document of them. */
  describe?: (app: FastifyInstance) => Promise<void>
  log: Logger
}

/** A request must be received within this time; the time until its response is not limited by it. */
const receiveMs = 30_000
/** One whose body is a stream within this time. */
const streamMs = 3_600_000
const idleMs = 120_000
/** Time that open requests have to end when the server closes. */
const closeMs = 2_000

/** Returns the HTTP server, ready to listen. Closing it ends streams properly and answers clients that wait. */
export async function createServer({
  controller,
  metrics,
  messages,
  access,
  group,
  bodyLimit,
  pages = pagesDirectory,
  describe,
  log
}: ServerOptions): Promise<FastifyInstance> {
  const { certificates, limits, guard } = access
  const app = fastify({
    ...(certificates ? { https: { ...certificates.options, rejectUnauthorized: false } } : {}),
    loggerInstance: log,
    // Fastify itself logs nothing about requests.
    childLoggerFactory: logger => logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    requestTimeout: streamMs,
    http: { headersTimeout: receiveMs },
    // For connections without any data: a client that waits is answered, or gets a heartbeat, before that.
    connectionTimeout: idleMs,
    // Connections that do not end by themselves in preClose are cut off.
    forceCloseConnections: true,
    requestIdHeader: false,
    // For what Fastify refuses before any handler of this server sees it.
    frameworkErrors: (error, _request, reply) => {
      answerWith(reply as unknown as FastifyReply, problemOf(error).problem)
    },
    // For what Node refuses before it is a request.
    clientErrorHandler: (error, socket) => {
      refuseMessage(error, socket, log)
    },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    // Given at once, they keep Fastify from loading its own. Responses are typed in code; compiling a serializer per
    // route and status would take a third of a second at start.
    schemaController: {
      compilersFactory: {
        // Its type knows Ajv's own compiler only.
        buildValidator: () => compileValidator as never,
        buildSerializer: () => () => data => JSON.stringify(data)
      }
    },
    // Schemas say how long a parameter may be. The longest is 128 characters, which may be percent-encoded.
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 512 }
  }) as unknown as FastifyInstance
  acceptJsonOnly(app, limits)
  countWork(app, limits)
  limitReceiving(app, receiveMs)
  certificates?.serve(app.server as unknown as TlsServer)
  limits.watch(app.server)
  emitCloseOfQueuedResponses(app.server as Server)
  // With undici, which takes as much memory as Fastify: for one of several only.
  const forwarder =
    group &&
    new (await import('./forwarder.js')).Forwarder({
      leader: () => group.leader,
      reached: place => group.reached(place),
      sign: (request, path) => access.signForwarded(request, path),
      ca: group.ca
    })
  const passOn = async (request: FastifyRequest, reply: FastifyReply, refuse: (error: Error) => void) => {
    try {
      refuseSecondHop(request)
      await forwarder!.forward(request, reply)
    } catch (error) {
      refuse(error as Error)
    }
  }
  app.decorateRequest('principal')
  app.addHook('onRequest', (request, reply, done) => {
    let refused: Error | undefined
    try {
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      const { ticket: given } = request.query as { ticket?: string }
      const ticket = takesTicket(request.routeOptions) ? given : undefined
      const isPassedOn = group !== undefined && !group.leads && isOfLeader(request)
      request.principal =
        isPassedOn && ticket !== undefined
          ? // Only the leader knows whose it is.
            guard.admit(request.raw, { role: 'anyone' })
          : guard.admit(request.raw, needsOf(request.routeOptions), ticket)
      reply.raw.once('close', limits.open.take(request.principal))
      if (isPassedOn) {
        // The leader ends it when the token is no longer valid, and not before it has answered who has revoked it.
        void passOn(request, reply, done)
        return
      }
      guard.hold(request.principal, reply.raw)
      if (group && !group.leads) reply.header('zeek-replica-lag', Math.round(group.lagMs))
      const told = request.headers[placeHeader]
      if (group && told !== undefined) {
        catchUp(group, String(told)).then(() => done(), done)
        return
      }
    } catch (error) {
      refused = error as Error
    }
    done(refused)
  })
  if (group) {
    app.addHook<unknown>('onSend', (request, reply, payload, done) => {
      reply.header(placeHeader, formatPlace(group.position))
      done(null, payload)
    })
  }
  takeUpgrades(
    app.server as Server,
    (request, socket, head, refuse) => {
      const principal = guard.admit(request, { role: 'viewer', limited: true })
      if (forwarder && !group!.leads) {
        refuseSecondHop(request)
        forwarder.upgrade(request, socket, head, refuse).catch(refuse)
        return
      }
      messages.upgrade(request, socket, head, principal)
    },
    log
  )
  const closing = endGracefully(app, [controller.hub, access.audit.hub], messages)
  // Node waits for WebSockets, too, before it is closed.
  app.addHook('preClose', async () => await forwarder?.close())
  answerWithProblems(app, log)
  await describe?.(app)
  await serveDocument(app)
  await servePages(app, pages)
  const snapshot = async ({ raw, principal }: FastifyRequest): Promise<readonly ControlEvent[]> => {
    if (!forwarder || group!.leads) return controller.seenBy(principal).snapshot()
    return (await forwarder.get(raw, `/v1${snapshotPath}`, closing)) as ControlEvent[]
  }
  await app.register(routes, { controller, metrics, access, closing, snapshot })
  await app.ready()
  return app
}

/** Returns whether only the controller can answer that leads: one that changes something, or tells what agents say. */
function isOfLeader({ method, query, routeOptions: { config } }: FastifyRequest): boolean {
  return (
    !['GET', 'HEAD'].includes(method) ||
    config.isOfLeader === true ||
    // Tickets are in the memory of who has given them.
    'ticket' in (query as object)
  )
}

/**
 * Resolves once this controller has what a client was told by one of the others. Throws `invalid_request`, and
 * `unavailable` when that takes too long.
 */
async function catchUp(group: Pick<Group, 'reached'>, told: string): Promise<void> {
  const place = parsePlace(told)
  if (!place) throw invalid([{ field: placeHeader, message: 'is not as an answer has it' }])
  if (await group.reached(place)) return
  throw new AppError('unavailable', 'this controller has not yet got what another one has told')
}

/** Throws for what another controller has forwarded already: this one has led a moment ago. */
function refuseSecondHop({ headers }: Pick<IncomingMessage, 'headers'>): void {
  if (headers[forwardedHeader] !== undefined) throw new AppError('not_leader', 'this controller leads no longer')
}

/** Returns what a route needs. Pages that show the document, and unknown routes, are open to anyone. */
function needsOf({ url, schema }: { url?: string | undefined; schema?: FastifySchema | undefined }): Needs {
  if (url === undefined || url === '/openapi.yaml' || /^\/docs(\/|$)/.test(url)) return { role: 'anyone' }
  return { role: schema?.['x-role'] ?? 'admin', limited: schema?.['x-limited'] }
}

/** Returns whether a route accepts a ticket, as its schema says. */
function takesTicket({ schema }: { schema?: FastifySchema | undefined }): boolean {
  return 'ticket' in ((schema?.querystring as { properties?: object } | undefined)?.properties ?? {})
}

/** Returns a validator. Bodies are not coerced; in URLs and headers, strings are converted to what the schema says. */
function compileValidator({ schema, httpPart = 'body' }: { schema: unknown; httpPart?: string }) {
  const check = checker(schema as TSchema, invalid, httpPart === 'body' ? 'exact' : 'coerce')
  return (value: unknown) => {
    try {
      return { value: check(value, httpPart) }
    } catch (error) {
      return { error: error as Error }
    }
  }
}

/** Ends streams and waiting requests on close: they would keep the server open. Returns the signal for the latter. */
function endGracefully(app: FastifyInstance, hubs: readonly Hub[], messages: ServerOptions['messages']): AbortSignal {
  const closing = new AbortController()
  // One listener for each waiting request.
  setMaxListeners(0, closing.signal)
  let open = 0
  let drained = () => {}
  const closed = () => {
    if (--open === 0) drained()
  }
  app.addHook('onRequest', (_request, { raw }, done) => {
    open++
    // Also when the client has disconnected, which onResponse does not report for a stream.
    raw.on('close', closed)
    done()
  })
  app.addHook('preClose', async () => {
    const done = new Promise<void>(resolve => {
      drained = resolve
    })
    const patience = new Promise(resolve => setTimeout(resolve, closeMs).unref())
    closing.abort()
    for (const hub of hubs) hub.close()
    await messages.close()
    if (open > 0) await Promise.race([done, patience])
  })
  return closing.signal
}

function answerWith(reply: FastifyReply, problem: Problem): void {
  void reply.code(problem.status).headers(headersOf(problem)).send(problem)
}

function answerWithProblems(app: FastifyInstance, log: Logger): void {
  /** Routes by path, for telling a wrong method from a wrong path. */
  const known: { path: RegExp; method: string }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    // This route only refuses unknown request types.
    if (url.endsWith('/:type')) return
    const path = new RegExp(`^${url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+')}$`)
    for (const one of [method].flat()) known.push({ path, method: one })
  })
  app.setErrorHandler((error, request, reply) => {
    const { problem, foreseen } = problemOf(error)
    if (!foreseen) log.error({ err: error }, `${request.method} ${request.routeOptions.url} failed`)
    answerWith(reply, problem)
  })
  app.setNotFoundHandler(async (request, reply) => {
    const path = withoutSecrets(request.url.split('?')[0]!)
    const allowed = [...new Set(known.filter(route => route.path.test(path)).map(({ method }) => method))]
    // A route can say itself that there is nothing of such a name.
    if (allowed.length === 0 || allowed.includes(request.method)) throw new AppError('not_found', `there is no ${path}`)
    reply.header('allow', allowed.join(', '))
    throw new AppError('method_not_allowed', `${path} does not take ${request.method}`)
  })
}
