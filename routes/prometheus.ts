import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { PrometheusTarget } from '../schemas/api.js'
import { ListOf, Name } from '../schemas/types.js'
import type { Access } from '../src/server/access/access.js'
import type { Controller } from '../src/controller/controller.js'
import { json, metricsText, needs, problems } from './answers.js'

const tags = ['monitoring']

/** Routes for the metrics of nodes, and for their discovery. */
export const prometheusRoutes: FastifyPluginAsyncTypebox<{
  controller: Controller
  access: Pick<Access, 'site'>
}> = async (app, { controller, access: { site } }) => {
  app.get(
    '/prometheus/targets',
    {
      config: { isOfLeader: true },
      schema: {
        operationId: 'list_prometheus_targets',
        ...needs('viewer', { limited: true }),
        tags,
        summary: "List the nodes' metrics endpoints",
        description: "For Prometheus' HTTP service discovery.",
        querystring: Type.Object(
          {
            proxy: Type.Optional(
              Type.Boolean({
                description:
                  'true: all of them at the controller. false: all at the nodes. Default: at the controller those of nodes with loopback addresses.',
                examples: [true]
              })
            )
          },
          { additionalProperties: false }
        ),
        response: { 200: json('One target per node.', ListOf(PrometheusTarget)), ...problems }
      }
    },
    async ({ raw, query: { proxy }, principal }) =>
      controller.seenBy(principal).metricsTargets({ host: site.hostOf(raw), isSecure: site.isSecure }, proxy)
  )

  app.get(
    '/nodes/:node/metrics',
    {
      config: { isOfLeader: true },
      schema: {
        operationId: 'get_node_metrics',
        ...needs('viewer', { limited: true }),
        tags,
        summary: "Get a node's metrics, for Prometheus",
        description: 'What its metrics endpoint serves, through its agent: as it is, at most 4 MiB, in 5 seconds.',
        params: Type.Object({ node: Name }),
        response: {
          200: metricsText('# TYPE zeek_event_queue_length gauge\nzeek_event_queue_length 0\n'),
          ...problems
        }
      }
    },
    async ({ params: { node }, principal }, reply) => {
      const { text, type } = await controller.seenBy(principal).nodeMetrics(node)
      return await reply.type(type).send(text)
    }
  )
}
