import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ClusterRequest, requests, type Arguments, type RequestDefinition, type RequestType } from '../schemas/api.js'
import { openapiKeyword, Ref, reqidExample } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { json, maxWaitSeconds, needs, preconditionFailed, problems } from './answers.js'
import { ifMatchIn, ifMatchOf } from './if-match.js'

/** The longest time that a timer supports. */
const maxTimeoutSeconds = 2_147_483

/** The headers of the answer to a POST. */
const headers = {
  Location: Type.String({ description: 'The path of the request.', examples: [`/v1/requests/${reqidExample}`] }),
  'Preference-Applied': Type.Optional(
    Type.String({ description: 'The preference that was kept to.', examples: ['wait=10'] })
  ),
  'Idempotent-Replayed': Type.Optional(
    Type.String({ description: '`true`, when the key has come with this request before.', examples: ['true'] })
  )
}

const postHeaders = {
  prefer: Type.Optional(
    Type.String({
      maxLength: 256,
      description: `\`wait=N\`: answer with the finished request if it finishes within N (at most ${maxWaitSeconds}) seconds.`,
      examples: ['wait=10'],
      [openapiKeyword]: { name: 'Prefer', shared: 'Prefer' }
    })
  ),
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^("[\\u0020-\\u0021\\u0023-\\u007e]{1,255}"|[!#-~]{1,255})$',
      'x-expected': 'a key of 1 to 255 printable characters, without white space unless it is in quotes',
      description: 'The same key with the same payload is the same request.',
      examples: ['deploy-2026-11-22'],
      [openapiKeyword]: { name: 'Idempotency-Key', shared: 'IdempotencyKey' }
    })
  )
}

/** Returns the schema of `timeout`, for requests that may have at most so many seconds. */
function timeoutOf(maximum?: number) {
  return Type.Optional(
    Type.Number({
      minimum: 0.001,
      maximum: maximum ?? maxTimeoutSeconds,
      description: 'Seconds until the request times out. The setting controller_timeout_max may allow less.',
      examples: [60],
      [openapiKeyword]: { shared: maximum === undefined ? 'Timeout' : undefined }
    })
  )
}

/** Returns the seconds of `Prefer: wait=N` (RFC 7240); undefined when there is none. Others are ignored. */
function preferredWait(prefer: string | undefined): number | undefined {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(prefer ?? '')?.[1]
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxWaitSeconds)
}

/** Returns the part of a route's schema that all have which submit a request of this type. */
export function submits(type: RequestType) {
  const { role, limited, timeout, timeoutMax, takes, ifMatch }: RequestDefinition = requests[type]
  const byDefault = takes === undefined ? `${timeout} seconds` : `what its steps may take, ${takes}`
  return {
    /** The last sentence of the route's description. */
    timesOut: `It times out after \`timeout\`; without, after the setting controller_timeout_${type}, else ${byDefault}.`,
    schema: {
      ...needs(role, { limited }),
      headers: Type.Object({ ...postHeaders, ...(ifMatch ? { 'if-match': ifMatchOf(ifMatch) } : {}) }),
      querystring: Type.Object({ timeout: timeoutOf(timeoutMax) }, { additionalProperties: false }),
      response: {
        200: json('The request has finished.', Ref(ClusterRequest), { headers, shared: 'RequestFinished' }),
        202: json('The request was accepted; its response comes as an event.', Ref(ClusterRequest), {
          headers,
          shared: 'RequestAccepted'
        }),
        ...(ifMatch ? preconditionFailed : {}),
        ...problems
      }
    }
  }
}

/** What a request over HTTP says of the request that it submits. */
type Submission = Pick<FastifyRequest, 'principal' | 'signal'> & {
  query: { timeout?: number | undefined }
  headers: {
    prefer?: string | undefined
    'idempotency-key'?: string | undefined
    'if-match'?: string | undefined
  }
}

/** Submits a request of a type, and answers as a client asks: at once, or when it is finished. */
export function submission(controller: Controller, closing: AbortSignal) {
  return async <T extends RequestType>(
    type: T,
    args: Arguments<T>,
    request: Submission,
    reply: FastifyReply
  ): Promise<unknown> => {
    const { timeout } = request.query
    const key = request.headers['idempotency-key']?.replace(/^"(.*)"$/, '$1')
    const {
      request: started,
      replayed,
      own
    } = await controller.request(type, args, {
      timeout,
      by: request.principal,
      idempotencyKey: key,
      ifMatch: ifMatchIn(request.headers['if-match'])
    })
    const seen = controller.seenBy(request.principal)
    const wait = preferredWait(request.headers.prefer)
    // Stop waiting when the client has disconnected.
    const finished =
      wait === undefined
        ? seen.request(started)
        : await seen.waitForRequest(started.reqid, wait, closing, request.signal)
    const whole =
      own && finished.state !== 'pending'
        ? { ...finished, results: own.map(outcome => ({ ...outcome, reqid: finished.reqid })) }
        : finished
    reply.header('location', `/v1/requests/${started.reqid}`)
    if (wait !== undefined) reply.header('preference-applied', `wait=${wait}`)
    if (replayed) reply.header('idempotent-replayed', 'true')
    return await reply.code(finished.state === 'pending' || (wait === undefined && !replayed) ? 202 : 200).send(whole)
  }
}
