import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import {
  ClusterRequest,
  ClusterRequestList,
  RequestState,
  requests,
  requestTypes,
  type Arguments,
  type RequestDefinition,
  type RequestType
} from '../schemas/api.js'
import { openapiKeyword, Ref, reqidExample, RequestId } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { AppError } from '../src/errors.js'
import { acceptClusterCfg, clusterCfgContent, readBody } from './cluster-cfg.js'
import { contentOf, json, maxWaitSeconds, needs, problems, Wait } from './answers.js'
import { paging, placeIn } from './pages.js'

const tags = ['requests']
/** A page of requests ends early once it has more results. */
const pageResults = 1_000
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

const postHeaders = Type.Object({
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
})

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

/** Returns the place of a request among all; undefined for what is none. */
function requestPlace(text: string): number | undefined {
  const place = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : undefined
  return Number.isSafeInteger(place) ? place : undefined
}

/** Removes members that are null from a JSON value: zeek-client prints null for what is absent. */
function dropNulls(value: unknown): void {
  if (Array.isArray(value)) value.forEach(dropNulls)
  else if (typeof value === 'object' && value !== null) {
    const members = value as Record<string, unknown>
    for (const name in members) {
      if (members[name] === null) delete members[name]
      else dropNulls(members[name])
    }
  }
}

export const requestRoutes: FastifyPluginAsyncTypebox<{ controller: Controller; closing: AbortSignal }> = async (
  app,
  { controller, closing }
) => {
  const post = (scope: typeof app, type: RequestType) => {
    const {
      summary,
      description,
      role,
      arguments: body,
      timeout,
      timeoutMax,
      takes,
      isForTesting = false
    }: RequestDefinition = requests[type]
    const byDefault = takes === undefined ? `${timeout} seconds` : `what its steps may take, ${takes}`
    const takesFile = type === 'stage_configuration'
    scope.post(
      `/requests/${type}`,
      {
        // Such bodies hold little more than names of nodes.
        ...(takesFile ? {} : { bodyLimit: Math.min(1_048_576, app.initialConfig.bodyLimit ?? Infinity) }),
        schema: {
          operationId: `request_${type}`,
          ...needs(role),
          tags: isForTesting ? ['testing'] : tags,
          summary,
          description: `${description} It times out after \`timeout\`; without, after the setting controller_timeout_${type}, else ${byDefault}.`,
          headers: postHeaders,
          querystring: Type.Object({ timeout: timeoutOf(timeoutMax) }, { additionalProperties: false }),
          body: takesFile ? { content: contentOf({ 'application/json': Ref(body), ...clusterCfgContent }) } : Ref(body),
          response: {
            200: json('The request has finished.', Ref(ClusterRequest), { headers, shared: 'RequestFinished' }),
            202: json('The request was accepted; its response comes as an event.', Ref(ClusterRequest), {
              headers,
              shared: 'RequestAccepted'
            }),
            ...problems
          }
        },
        preValidation: async request => {
          if (request.body === undefined) request.body = {} as never
          dropNulls(request.body)
        },
        preHandler: async request => {
          if (takesFile && request.mediaType !== 'application/json') {
            request.body = (await readBody(request.body)) as typeof request.body
          }
        }
      },
      async (request, reply) => {
        const { timeout } = request.query
        const key = request.headers['idempotency-key']?.replace(/^"(.*)"$/, '$1')
        const {
          request: started,
          replayed,
          own
        } = await controller.request(type, request.body as Arguments<RequestType>, {
          timeout,
          by: request.principal,
          idempotencyKey: key
        })
        const wait = preferredWait(request.headers.prefer)
        // Stop waiting when the client has disconnected.
        const finished =
          wait === undefined ? started : await controller.waitForRequest(started.reqid, wait, closing, request.signal)
        const whole =
          own && finished.state !== 'pending'
            ? { ...finished, results: own.map(outcome => ({ ...outcome, reqid: finished.reqid })) }
            : finished
        reply.header('location', `/v1/requests/${started.reqid}`)
        if (wait !== undefined) reply.header('preference-applied', `wait=${wait}`)
        if (replayed) reply.header('idempotent-replayed', 'true')
        return await reply
          .code(finished.state === 'pending' || (wait === undefined && !replayed) ? 202 : 200)
          .send(whole)
      }
    )
  }

  for (const type of requestTypes) if (type !== 'stage_configuration') post(app, type)
  await app.register(async scope => {
    acceptClusterCfg(scope)
    post(scope, 'stage_configuration')
  })

  app.post('/requests/:type', { schema: { hide: true, ...needs('viewer') } }, async request => {
    throw new AppError('not_found', `there is no request type ${(request.params as { type: string }).type}`)
  })

  app.get(
    '/requests',
    {
      schema: {
        operationId: 'list_requests',
        ...needs('viewer'),
        tags,
        summary: 'List requests',
        description: 'The history, newest first, in pages.',
        querystring: Type.Object(
          {
            type: Type.Optional(
              Type.Unsafe<RequestType>({
                type: 'string',
                enum: requestTypes,
                description: 'Only requests of this type.',
                examples: ['deploy']
              })
            ),
            state: Type.Optional(Ref(RequestState)),
            ...paging({ maximum: 200, default: 50 }, `; fewer when they have more than ${pageResults} results`)
          },
          { additionalProperties: false }
        ),
        response: { 200: json('A page of requests.', Ref(ClusterRequestList)), ...problems }
      }
    },
    async ({ query: { after, ...filter } }) => ({
      ...controller.listRequests({ ...filter, before: placeIn(after, requestPlace) }, pageResults),
      event_cursor: controller.cursor
    })
  )

  app.get(
    '/requests/:reqid',
    {
      schema: {
        operationId: 'get_request',
        ...needs('viewer'),
        tags,
        summary: 'Get a request',
        description:
          'At once, or with `wait` when it is finished. While it is pending, `Retry-After` says when to ask again.',
        params: Type.Object({ reqid: RequestId }),
        querystring: Type.Object({ wait: Wait }, { additionalProperties: false }),
        response: {
          200: json('The request.', Ref(ClusterRequest), {
            headers: {
              'Retry-After': Type.Optional(
                Type.Integer({
                  description: 'Seconds after which to ask again: of one that is pending.',
                  examples: [1]
                })
              )
            }
          }),
          ...problems
        }
      }
    },
    async (request, reply) => {
      const found = await controller.waitForRequest(
        request.params.reqid,
        request.query.wait ?? 0,
        closing,
        request.signal
      )
      if (found.state === 'pending') reply.header('retry-after', '1')
      return found
    }
  )
}
