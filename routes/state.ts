import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ConfigurationDocument, InstanceList, NodeList } from '../schemas/api.js'
import { clusterRoles, ConfigurationState, namePattern, NodeState, Ref } from '../schemas/types.js'
import type { Access } from '../src/server/access/access.js'
import type { Controller } from '../src/controller/controller.js'
import { formatClusterCfg } from '../src/formats/cluster-cfg/cluster-cfg.js'
import { json, needs, problems } from './answers.js'
import { clusterCfgContent, wantsClusterCfg } from './cluster-cfg.js'
import { joinRepeated, namesIn, Several, SeveralOf } from './lists.js'
import { paging, placeIn } from './pages.js'

const configurationDocument = json('The configuration', Ref(ConfigurationDocument))

const nodeStates: readonly NodeState[] = NodeState.enum
const onePattern = namePattern.slice(1, -1)
/** An instance and one of its nodes, as in `next`. */
const nodePlace = new RegExp(`^${onePattern}/${onePattern}$`)

/** Routes for what the controller knows now. Events after `event_cursor` on the event stream are not yet in it. */
export const stateRoutes: FastifyPluginAsyncTypebox<{ controller: Controller; access: Pick<Access, 'audit'> }> = async (
  app,
  { controller, access }
) => {
  const tags = ['state']

  app.get(
    '/instances',
    {
      schema: {
        operationId: 'list_instances',
        ...needs('viewer'),
        tags,
        summary: 'List instances',
        response: { 200: json('The instances that are connected or deployed', Ref(InstanceList)), ...problems }
      }
    },
    async () => ({ instances: controller.instances(), event_cursor: controller.cursor })
  )

  app.get(
    '/nodes',
    {
      schema: {
        operationId: 'list_nodes',
        ...needs('viewer'),
        tags,
        summary: 'List nodes',
        description: 'All of them, or those that fit every parameter which is given, in pages.',
        querystring: Type.Object(
          {
            instance: Several(onePattern, 'instances', 'agent-sensor-1,agent-sensor-2'),
            role: SeveralOf(clusterRoles, 'roles', 'WORKER'),
            state: SeveralOf(nodeStates, 'states', 'CRASHED,FAILED,UNKNOWN'),
            ...paging({ maximum: 1000, default: 1000 })
          },
          { additionalProperties: false }
        ),
        response: {
          200: json('The nodes that are deployed, and the processes that manage them', Ref(NodeList)),
          ...problems
        }
      },
      preValidation: joinRepeated('instance', 'role', 'state')
    },
    async ({ query: { instance, role, state, after, limit } }) => {
      const page = controller.listNodes({
        instances: namesIn(instance),
        roles: namesIn(role),
        states: namesIn(state),
        after: placeIn(after, text => (nodePlace.test(text) ? text : undefined)),
        limit
      })
      return { ...page, event_cursor: controller.cursor }
    }
  )

  app.get(
    '/configurations/:state',
    {
      schema: {
        operationId: 'get_configuration_by_state',
        ...needs('operator'),
        tags,
        summary: 'Get a configuration',
        params: Type.Object({ state: Ref(ConfigurationState) }),
        description:
          "As JSON, or as zeek-client's file for `Accept: text/x-ini`: without the id, and with what that file cannot say as comments.",
        response: {
          200: { ...configurationDocument, content: { ...configurationDocument.content, ...clusterCfgContent } },
          ...problems
        }
      }
    },
    async ({ params: { state }, headers: { accept }, principal }, reply) => {
      const configuration = controller.configuration(state)
      // It may hold secrets.
      access.audit.done('get_configuration', principal, state)
      reply.header('vary', 'Accept')
      if (!wantsClusterCfg(accept)) return { state, configuration, event_cursor: controller.cursor }
      return await reply
        .type(`${accept!.trim().startsWith('text/plain') ? 'text/plain' : 'text/x-ini'}; charset=utf-8`)
        .send(formatClusterCfg(configuration))
    }
  )
}
