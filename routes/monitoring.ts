import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ClusterHealth, ControllerHealth } from '../schemas/api.js'
import { Ref } from '../schemas/types.js'
import { ReplicaList } from '../schemas/replication.js'
import type { Controller } from '../src/controller/controller.js'
import type { Metrics } from '../src/server/metrics.js'
import { json, metricsText, needs, problems } from './answers.js'

const tags = ['monitoring']
const notReady = { status: 'not ready', checks: ['database or disk is full'] }
const healthy = { ready: true, reasons: [], event_cursor: 'k3v9q2.1042' }

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
        description: 'For load balancers and supervisors.',
        response: { 200: json('It is alive.', Ref(ControllerHealth)), ...problems }
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
        description: 'Whether it can work, and if not, why.',
        response: {
          200: json('It is ready.', Ref(ControllerHealth)),
          503: json('It is not ready.', Ref(ControllerHealth), { example: notReady }),
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
      config: { isOfLeader: true },
      schema: {
        operationId: 'get_health',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'Get the health of the cluster',
        description: 'As the thresholds in the settings say. Each change is a `notify_health` event.',
        response: {
          200: json('The cluster does its work.', Ref(ClusterHealth), { example: healthy }),
          503: json('It does not.', Ref(ClusterHealth)),
          ...problems
        }
      }
    },
    async ({ principal }, reply) => {
      const { health } = controller.seenBy(principal)
      return await reply.code(health.ready ? 200 : 503).send({ ...health, event_cursor: controller.cursor })
    }
  )

  app.get(
    '/v1/replication',
    {
      schema: {
        operationId: 'get_replication',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'Get how far several controllers are',
        description: 'As the one that is asked knows of itself, and as the others answer it within a second.',
        response: { 200: json('All of them.', Ref(ReplicaList)), ...problems }
      }
    },
    async () => ({ replicas: await controller.replicas(), event_cursor: controller.cursor })
  )

  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'get_metrics',
        ...needs('viewer'),
        tags,
        summary: "Get the controller's metrics, for Prometheus",
        description: 'What this controller does and uses, and what it knows of nodes and their health.',
        response: {
          200: metricsText('# TYPE zeek_cluster_nodes gauge\nzeek_cluster_nodes{state="RUNNING"} 4\n'),
          ...problems
        }
      }
    },
    async (_request, reply) => await reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  )
}
