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
import { Ref, RequestId } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { AppError } from '../src/errors.js'
import { acceptClusterCfg, clusterCfgContent, readBody } from './cluster-cfg.js'
import { contentOf, json, needs, problems, Wait } from './answers.js'
import { paging, placeIn } from './pages.js'
import { submission, submits } from './submission.js'

const tags = ['requests']
/** A page of requests ends early once it has more results. */
const pageResults = 1_000
/** Returns the place of a request among all; undefined for what is none. */
function requestPlace(text: string): number | undefined {
  const place = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : undefined
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
  const submit = submission(controller, closing)
  const post = (scope: typeof app, type: RequestType) => {
    const { summary, description, arguments: body, isForTesting = false }: RequestDefinition = requests[type]
    const takesFile = type === 'stage_configuration'
    const { schema, timesOut } = submits(type)
    scope.post(
      `/requests/${type}`,
      {
        // Such bodies hold little more than names of nodes.
        ...(takesFile ? {} : { bodyLimit: Math.min(1_048_576, app.initialConfig.bodyLimit ?? Infinity) }),
        schema: {
          ...schema,
          operationId: `request_${type}`,
          tags: isForTesting ? ['testing'] : tags,
          summary,
          description: `${description} ${timesOut}`,
          body: takesFile ? { content: contentOf({ 'application/json': Ref(body), ...clusterCfgContent }) } : Ref(body)
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
      async (request, reply) => await submit(type, request.body as Arguments<RequestType>, request, reply)
    )
  }

  for (const type of requestTypes) if (type !== 'stage_configuration') post(app, type)
  await app.register(async scope => {
    acceptClusterCfg(scope)
    post(scope, 'stage_configuration')
  })

  app.post('/requests/:type', { schema: { hide: true, ...needs('viewer', { limited: true }) } }, async request => {
    throw new AppError('not_found', `there is no request type ${(request.params as { type: string }).type}`)
  })

  app.get(
    '/requests',
    {
      config: { isOfLeader: true },
      schema: {
        operationId: 'list_requests',
        ...needs('viewer', { limited: true }),
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
    async ({ query: { after, ...filter }, principal }) => ({
      ...controller.seenBy(principal).listRequests({ ...filter, before: placeIn(after, requestPlace) }, pageResults),
      event_cursor: controller.cursor
    })
  )

  app.get(
    '/requests/:reqid',
    {
      config: { isOfLeader: true },
      schema: {
        operationId: 'get_request',
        ...needs('viewer', { limited: true }),
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
      const found = await controller
        .seenBy(request.principal)
        .waitForRequest(request.params.reqid, request.query.wait ?? 0, closing, request.signal)
      if (found.state === 'pending') reply.header('retry-after', '1')
      return found
    }
  )
}
