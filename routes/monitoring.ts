import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ClusterHealth, ControllerHealth } from '../schemas/api.js'
import { Ref } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import type { Metrics } from '../src/server/metrics.js'
import { json, needs, problems } from './answers.js'

const tags = ['monitoring']

/** Routes for load balancers and Prometheus, at the paths that they use by convention. */
export const monitoringRoutes: FastifyPluginAsyncTypebox<{ controller: Controller; metrics: Metrics }> = async (
  app,
  { controller, metrics }
) => {
  app.get(
    '/healthz',
    {
      schema: {
        operationId: 'get_liveness',
        ...needs('anyone'),
        tags,
        summary: 'Check that the controller is alive',
        response: { 200: json('Alive', Ref(ControllerHealth)), ...problems }
      }
    },
    async () => ({ status: 'ok', checks: [] })
  )

  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'get_readiness',
        ...needs('anyone'),
        tags,
        summary: 'Check that the controller is ready',
        response: {
          200: json('Ready', Ref(ControllerHealth)),
          503: json('Not ready', Ref(ControllerHealth)),
          ...problems
        }
      }
    },
    async (_request, reply) => {
      const checks = controller.problems()
      return await reply
        .code(checks.length > 0 ? 503 : 200)
        .send({ status: checks.length > 0 ? 'not ready' : 'ok', checks })
    }
  )

  app.get(
    '/v1/health',
    {
      schema: {
        operationId: 'get_health',
        ...needs('viewer'),
        tags,
        summary: 'Get the health of the cluster',
        description: 'As the thresholds in the settings say. Each change is a `notify_health` event.',
        response: {
          200: json('Healthy', Ref(ClusterHealth)),
          503: json('Not healthy', Ref(ClusterHealth)),
          ...problems
        }
      }
    },
    async (_request, reply) => {
      const health = controller.health
      return await reply.code(health.ready ? 200 : 503).send({ ...health, event_cursor: controller.cursor })
    }
  )

  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'get_metrics',
        ...needs('viewer'),
        tags,
        summary: "Get the controller's metrics, for Prometheus",
        response: {
          200: { description: "Prometheus' text format", content: { 'text/plain': { schema: Type.String() } } },
          ...problems
        }
      }
    },
    async (_request, reply) => await reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  )
}
