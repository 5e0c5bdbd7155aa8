import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { OptionName, OptionSetting, SetOptionList } from '../schemas/runtime-options.js'
import { Ref } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { json, needs, problems } from './answers.js'
import { submission, submits } from './submission.js'

const tags = ['options']
const params = Type.Object({ name: OptionName })

/** Routes for the options that nodes set while they run. What changes one submits a request. */
export const optionRoutes: FastifyPluginAsyncTypebox<{ controller: Controller; closing: AbortSignal }> = async (
  app,
  { controller, closing }
) => {
  const submit = submission(controller, closing)

  app.get(
    '/options',
    {
      schema: {
        operationId: 'list_options',
        ...needs('operator'),
        tags,
        summary: 'List the options that are set while nodes run',
        description:
          'Those that set_option has set. They are kept until they are unset, whatever is deployed or restarted. What a node has is the answer to get_id_value.',
        response: { 200: json('The options.', Ref(SetOptionList)), ...problems }
      }
    },
    async () => ({ options: controller.options(), event_cursor: controller.cursor })
  )

  const setting = submits('set_option')
  app.put(
    '/options/:name',
    {
      schema: {
        ...setting.schema,
        operationId: 'put_option',
        tags,
        summary: 'Set an option while nodes run',
        description: `Submits the request set_option. ${setting.timesOut}`,
        params,
        body: Ref(OptionSetting)
      }
    },
    async (request, reply) =>
      await submit('set_option', { name: request.params.name, value: request.body.value }, request, reply)
  )

  const unsetting = submits('unset_option')
  app.delete(
    '/options/:name',
    {
      schema: {
        ...unsetting.schema,
        operationId: 'delete_option',
        tags,
        summary: 'Unset an option',
        description: `Submits the request unset_option. ${unsetting.timesOut}`,
        params
      }
    },
    async (request, reply) => await submit('unset_option', { name: request.params.name }, request, reply)
  )
}
