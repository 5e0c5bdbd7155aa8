import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ClusterRequest } from '../schemas/api.js'
import { type RolloutAction, rolloutActions } from '../schemas/rollouts.js'
import { Ref, RequestId } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import type { Access } from '../src/server/access/access.js'
import { json, needs, problems } from './answers.js'

/** Routes that direct a deployment in steps while it is under way. */
export const rolloutRoutes: FastifyPluginAsyncTypebox<{
  controller: Controller
  access: Pick<Access, 'audit'>
}> = async (app, { controller, access: { audit } }) => {
  const direct = (method: 'POST' | 'DELETE', path: string, action: RolloutAction) =>
    app.route({
      method,
      url: `/requests/:reqid${path}`,
      schema: {
        operationId: `${action}_rollout`,
        ...needs('operator'),
        tags: ['requests'],
        summary: `${action[0]!.toUpperCase()}${action.slice(1)} a deployment in steps`,
        description: `${rolloutActions[action]} Refused with 409 when there is nothing to ${action}.`,
        params: Type.Object({ reqid: RequestId }),
        response: { 200: json('The request.', Ref(ClusterRequest)), ...problems }
      },
      handler: async ({ params: { reqid }, principal }) => {
        const request = controller.direct(reqid, action, principal.name)
        audit.done(`${action}_rollout`, principal, `request ${reqid}`)
        return request
      }
    })
  for (const action of ['pause', 'resume', 'promote', 'revert'] as const) direct('POST', `/${action}`, action)
  direct('DELETE', '', 'cancel')
}
