import type { FastifyPluginAsync } from 'fastify'
import type { Access } from '../src/server/access/access.js'
import type { Controller } from '../src/controller/controller.js'
import type { Metrics } from '../src/server/metrics.js'
import { auditRoutes } from './audit.js'
import { bundleRoutes } from './bundles.js'
import { notificationRoutes } from './notifications.js'
import { optionRoutes } from './options.js'
import { conversionRoutes } from './conversions.js'
import { intelRoutes } from './intel.js'
import { eventRoutes, type TakeSnapshot } from './events.js'
import { joinRoutes } from './joins.js'
import { messageRoutes } from './messages.js'
import { monitoringRoutes } from './monitoring.js'
import { prometheusRoutes } from './prometheus.js'
import { requestRoutes } from './requests.js'
import { revisionRoutes } from './revisions.js'
import { rolloutRoutes } from './rollouts.js'
import { sessionRoutes } from './session.js'
import { stateRoutes } from './state.js'
import { tokenRoutes } from './tokens.js'

/** All routes of the API, each with the parts of the controller that it needs. */
export const routes: FastifyPluginAsync<{
  controller: Controller
  metrics: Metrics
  access: Access
  closing: AbortSignal
  snapshot: TakeSnapshot
}> = async (app, { controller, metrics, access, closing, snapshot }) => {
  await app.register(requestRoutes, { prefix: '/v1', controller, closing })
  await app.register(eventRoutes, { prefix: '/v1', controller, access, snapshot })
  await app.register(stateRoutes, { prefix: '/v1', controller, access })
  await app.register(bundleRoutes, { prefix: '/v1', controller })
  await app.register(revisionRoutes, { prefix: '/v1', controller, access })
  await app.register(rolloutRoutes, { prefix: '/v1', controller, access })
  await app.register(optionRoutes, { prefix: '/v1', controller, closing })
  await app.register(intelRoutes, { prefix: '/v1', controller, closing })
  await app.register(conversionRoutes, { prefix: '/v1', controller })
  await app.register(auditRoutes, { prefix: '/v1', access })
  await app.register(notificationRoutes, { prefix: '/v1', controller, access })
  await app.register(sessionRoutes, { prefix: '/v1', guard: access.guard })
  await app.register(tokenRoutes, { prefix: '/v1', tokens: access.tokens })
  await app.register(joinRoutes, { prefix: '/v1', controller })
  await app.register(messageRoutes, { prefix: '/v1' })
  await app.register(prometheusRoutes, { prefix: '/v1', controller, access })
  await app.register(monitoringRoutes, { controller, metrics })
}
