import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { FeedName, IntelFeedList } from '../schemas/intel.js'
import { Ref } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { answer, json, needs, problems } from './answers.js'
import { readStream, streamed, takeStreams } from './streamed-body.js'
import { submission, submits } from './submission.js'

const tags = ['intel']
const params = Type.Object({ feed: FeedName })
const example = '#fields\tindicator\tindicator_type\tmeta.source\n192.0.2.1\tIntel::ADDR\ttor-exits\n'

/** Routes for the feeds of intelligence that the manager reads while it runs. What changes one submits a request. */
export const intelRoutes: FastifyPluginAsyncTypebox<{ controller: Controller; closing: AbortSignal }> = async (
  app,
  { controller, closing }
) => {
  // Whatever a client takes the file for: curl sends some type of its own, or none.
  takeStreams(app, ['*'])
  const submit = submission(controller, closing)

  app.get(
    '/intel',
    {
      schema: {
        operationId: 'list_intel',
        ...needs('operator'),
        tags,
        summary: 'List the feeds of intelligence',
        description:
          'Those that set_intel has set. They are kept until they are unset, whatever is deployed or restarted. What scripts name in Intel::read_files is none of them.',
        response: { 200: json('The feeds.', Ref(IntelFeedList)), ...problems }
      }
    },
    async () => ({ feeds: controller.feeds(), event_cursor: controller.cursor })
  )

  app.get(
    '/intel/:feed',
    {
      schema: {
        operationId: 'get_intel',
        ...needs('operator'),
        tags,
        summary: 'Get the file of a feed',
        description: 'As it was set.',
        params,
        response: {
          200: answer({ description: 'The file.', content: { 'text/tab-separated-values': Type.String() }, example }),
          ...problems
        }
      }
    },
    async (request, reply) =>
      await reply
        .type('text/tab-separated-values; charset=utf-8')
        .send((await controller.readFeed(request.params.feed)) as never)
  )

  const setting = submits('set_intel')
  app.put(
    '/intel/:feed',
    {
      config: { isStream: true },
      schema: {
        ...setting.schema,
        operationId: 'put_intel',
        tags,
        summary: 'Set a feed of intelligence while nodes run',
        description: `The body is a file as Zeek's intelligence framework reads it, of any media type. A file with a fault is refused with its lines, and nothing is kept. Else it submits the request set_intel. ${setting.timesOut}`,
        params,
        body: { content: streamed(['application/octet-stream'], 'The file.', example) }
      }
    },
    async (request, reply) => {
      const { feed } = request.params
      const { id } = await readStream(request.body, 'a file of indicators', chunks =>
        controller.keepFeed(feed, chunks, request.principal)
      )
      return await submit('set_intel', { name: feed, bundle: id }, request, reply)
    }
  )

  const unsetting = submits('unset_intel')
  app.delete(
    '/intel/:feed',
    {
      schema: {
        ...unsetting.schema,
        operationId: 'delete_intel',
        tags,
        summary: 'Unset a feed of intelligence',
        description: `Submits the request unset_intel. ${unsetting.timesOut}`,
        params
      }
    },
    async (request, reply) => await submit('unset_intel', { name: request.params.feed }, request, reply)
  )
}
