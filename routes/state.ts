import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ConfigurationDocument, InstanceList, NodeList } from '../schemas/api.js'
import { ConfigurationState, Ref } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { json, problems } from './answers.js'

/** What the controller knows now. What comes after `event_cursor` on the event stream is not yet in it. */
export const stateRoutes: FastifyPluginAsyncTypebox<{ controller: Controller }> = async (app, { controller }) => {
  const tags = ['state']

  app.get('/instances', {
    schema: { operationId: 'list_instances', tags, summary: 'The instances', response: { 200: json('Connected or deployed', Ref(InstanceList)), ...problems } }
  }, async () => ({ instances: controller.instances(), event_cursor: controller.cursor }))

  app.get('/nodes', {
    schema: { operationId: 'list_nodes', tags, summary: 'The nodes', response: { 200: json('Deployed, and what manages them', Ref(NodeList)), ...problems } }
  }, async () => ({ nodes: controller.nodes(), event_cursor: controller.cursor }))

  app.get('/configurations/:state', {
    schema: {
      operationId: 'get_configuration',
      tags,
      summary: 'A configuration',
      params: Type.Object({ state: Ref(ConfigurationState) }),
      response: { 200: json('The configuration', Ref(ConfigurationDocument)), ...problems }
    }
  }, async ({ params: { state } }) => ({ state, configuration: controller.configuration(state), event_cursor: controller.cursor }))
}
