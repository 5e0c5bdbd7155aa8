import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NotificationList, NotificationTest } from '../schemas/notifications.js'
import { Name, Ref } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import type { Access } from '../src/server/access/access.js'
import { json, needs, problems } from './answers.js'

const tags = ['notifications']

/** Routes for what operators are told: how far that is, and whether it would reach them. */
export const notificationRoutes: FastifyPluginAsyncTypebox<{
  controller: Controller
  access: Pick<Access, 'audit'>
}> = async (app, { controller, access: { audit } }) => {
  app.get(
    '/notifications',
    {
      config: { isOfLeader: true },
      schema: {
        operationId: 'list_notifications',
        ...needs('viewer'),
        tags,
        summary: 'List rules and sinks of notifications',
        description:
          'What the file of the setting controller_notify says, without secrets: of a URL only its origin, of headers only their names, of a command only its program. With each rule, for each of its sinks, until where in the event log it is told, and how much waits.',
        response: { 200: json('The rules and the sinks.', Ref(NotificationList)), ...problems }
      }
    },
    async () => ({ ...controller.notifier.status, event_cursor: controller.cursor })
  )

  app.post(
    '/notifications/sinks/:sink/test',
    {
      bodyLimit: 1024,
      schema: {
        operationId: 'test_notification_sink',
        ...needs('operator'),
        tags,
        summary: 'Test a sink',
        description:
          'Sends a notification that says that it is a test, now, and answers with what the sink has said to it. What it has not taken is not tried again. After what is being sent to it at the moment; 409 while another test of it is under way.',
        params: Type.Object({ sink: { ...Name, description: 'The name of the sink.', examples: ['ops'] } }),
        response: { 200: json('What has come of it.', Ref(NotificationTest)), ...problems }
      }
    },
    async ({ params: { sink }, principal }) => {
      const result = await controller.notifier.test(sink, principal.name)
      audit.done('test_notification', principal, `${sink}: ${result.detail}`)
      return result
    }
  )
}
