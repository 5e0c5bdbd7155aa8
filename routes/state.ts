import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ConfigurationDocument, InstanceList, NodeList } from '../schemas/api.js'
import { ConfigurationState, Ref } from '../schemas/types.js'
import type { Access } from '../src/controller/access.js'
import type { Controller } from '../src/controller/controller.js'
import { formatClusterCfg } from '../src/formats/cluster-cfg.js'
import { json, needs, problems } from './answers.js'
import { clusterCfgContent, wantsClusterCfg } from './cluster-cfg.js'

const configurationDocument = json('The configuration', Ref(ConfigurationDocument))

/** What the controller knows now. What comes after `event_cursor` on the event stream is not yet in it. */
export const stateRoutes: FastifyPluginAsyncTypebox<{ controller: Controller, access: Pick<Access, 'audit'> }> = async (app, { controller, access }) => {
  const tags = ['state']

  app.get('/instances', {
    schema: { operationId: 'list_instances', ...needs('viewer'), tags, summary: 'The instances', response: { 200: json('Connected or deployed', Ref(InstanceList)), ...problems } }
  }, async () => ({ instances: controller.instances(), event_cursor: controller.cursor }))

  app.get('/nodes', {
    schema: { operationId: 'list_nodes', ...needs('viewer'), tags, summary: 'The nodes', response: { 200: json('Deployed, and what manages them', Ref(NodeList)), ...problems } }
  }, async () => ({ nodes: controller.nodes(), event_cursor: controller.cursor }))

  app.get('/configurations/:state', {
    schema: {
      operationId: 'get_configuration', ...needs('operator'),
      tags,
      summary: 'A configuration',
      params: Type.Object({ state: Ref(ConfigurationState) }),
      description: 'As JSON, or as zeek-client\'s file for `Accept: text/x-ini`: without the id, and with what that file cannot say as comments.',
      response: { 200: { ...configurationDocument, content: { ...configurationDocument.content, ...clusterCfgContent } }, ...problems }
    }
  }, async ({ params: { state }, headers: { accept }, principal }, reply) => {
    const configuration = controller.configuration(state)
    // It may hold secrets.
    access.audit.done('get_configuration', principal, state)
    reply.header('vary', 'Accept')
    if (!wantsClusterCfg(accept)) return { state, configuration, event_cursor: controller.cursor }
    return await reply.type(`${accept!.trim().startsWith('text/plain') ? 'text/plain' : 'text/x-ini'}; charset=utf-8`).send(formatClusterCfg(configuration))
  })
}
