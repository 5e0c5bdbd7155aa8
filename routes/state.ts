import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ElasticGroupList } from '../schemas/groups.js'
import { ConfigurationDocument, InstanceList, NodeList } from '../schemas/api.js'
import { ClusterRole, clusterRoles, ConfigurationState, Name, namePattern, NodeState, Ref } from '../schemas/types.js'
import type { Access } from '../src/server/access/access.js'
import type { Controller } from '../src/controller/controller.js'
import { answer, json, needs, problems } from './answers.js'
import { clusterCfgContent, wantsClusterCfg } from './cluster-cfg.js'
import { joinRepeated, namesIn, Several, SeveralOf } from './lists.js'
import { paging, placeIn } from './pages.js'

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
      config: { isOfLeader: true },
      schema: {
        operationId: 'list_instances',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'List instances',
        description:
          'Every instance that is connected or deployed, or has joined and was not forgotten, as the controller knows it now. For people and dashboards; the request `get_instances` is for zeek-client, and for who wants the answer as an event.',
        response: { 200: json('The instances.', Ref(InstanceList)), ...problems }
      }
    },
    async ({ principal }) => ({ instances: controller.seenBy(principal).instances(), event_cursor: controller.cursor })
  )

  app.get(
    '/nodes',
    {
      config: { isOfLeader: true },
      schema: {
        operationId: 'list_nodes',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'List nodes',
        description:
          'The nodes that are deployed, and the processes that manage them, as the controller knows them now; those that fit every parameter which is given, in pages. For people and dashboards; the request `get_nodes` is for zeek-client, and for who wants the answer as an event.',
        querystring: Type.Object(
          {
            instance: Several({ pattern: onePattern, items: Name, what: 'instances', examples: ['agent-sensor-1'] }),
            role: SeveralOf(clusterRoles, { items: Ref(ClusterRole), what: 'roles', examples: ['WORKER'] }),
            state: SeveralOf(nodeStates, { items: Ref(NodeState), what: 'states', examples: ['CRASHED', 'FAILED'] }),
            ...paging({ maximum: 1000, default: 1000 })
          },
          { additionalProperties: false }
        ),
        response: {
          200: json('A page of nodes.', Ref(NodeList)),
          ...problems
        }
      },
      preValidation: joinRepeated('instance', 'role', 'state')
    },
    async ({ query: { instance, role, state, after, limit }, principal }) => {
      const page = controller.seenBy(principal).listNodes({
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
    '/elastic-groups',
    {
      config: { isOfLeader: true },
      schema: {
        operationId: 'list_elastic_groups',
        ...needs('viewer', { limited: true }),
        tags,
        summary: 'List elastic groups',
        description:
          'The groups of the deployed configuration that have min and max workers, each on each of its instances: which of its workers run, which are spares, and why one was last started or stopped.',
        response: { 200: json('The groups.', Ref(ElasticGroupList)), ...problems }
      }
    },
    async ({ principal }) => ({ groups: controller.seenBy(principal).elasticGroups(), event_cursor: controller.cursor })
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
          "As JSON, or as zeek-client's file for `Accept: text/x-ini`: without the id, and with what that file cannot say as comments. `ETag` of the staged and the deployed one is for `If-Match`, so that nobody overwrites unseen what another one has put there. For people and dashboards; the request `get_configuration` is for zeek-client, and for who wants the answer as an event.",
        response: {
          200: answer({
            description: 'The configuration.',
            headers: {
              ETag: Type.Optional(
                Type.String({
                  description:
                    'Of the staged one: changes when it does. Of the deployed one: its revision, or its id where it has none. Absent of the ready one.',
                  examples: ['"12"']
                })
              )
            },
            content: { 'application/json': Ref(ConfigurationDocument), ...clusterCfgContent }
          }),
          ...problems
        }
      }
    },
    async ({ params: { state }, headers: { accept }, principal }, reply) => {
      const { configuration, placements, revision, tag } = controller.document(state)
      // It may hold secrets.
      access.audit.done('get_configuration', principal, state)
      reply.header('vary', 'Accept')
      if (tag !== undefined) reply.header('etag', tag)
      if (!wantsClusterCfg(accept)) {
        return {
          state,
          configuration,
          ...(revision === undefined ? {} : { revision }),
          ...(placements.length > 0 ? { placements } : {}),
          event_cursor: controller.cursor
        }
      }
      const { formatClusterCfg } = await import('../src/formats/cluster-cfg/cluster-cfg.js')
      return await reply
        .type(`${accept!.trim().startsWith('text/plain') ? 'text/plain' : 'text/x-ini'}; charset=utf-8`)
        .send(formatClusterCfg(controller.withoutGroups(configuration)))
    }
  )
}
