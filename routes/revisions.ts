import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { RevisionDifference, RevisionDocument, RevisionList } from '../schemas/revisions.js'
import { Ref, RevisionNumber } from '../schemas/types.js'
import type { Access } from '../src/server/access/access.js'
import type { Controller } from '../src/controller/controller.js'
import { json, needs, problems } from './answers.js'
import { paging, placeIn } from './pages.js'

const tags = ['revisions']
const params = Type.Object({ revision: RevisionNumber })

/** Routes for the deployments that are kept. The request `deploy` deploys one again. */
export const revisionRoutes: FastifyPluginAsyncTypebox<{
  controller: Controller
  access: Pick<Access, 'audit'>
}> = async (app, { controller, access }) => {
  const { revisions } = controller

  app.get(
    '/revisions',
    {
      schema: {
        operationId: 'list_revisions',
        ...needs('viewer'),
        tags,
        summary: 'List revisions, newest first',
        description:
          'Every deployment that has switched anything is a revision; the newest is the deployed one. By pages: `next` of one is `after` of the next one.',
        querystring: Type.Object(paging({ maximum: 1000, default: 100 }), { additionalProperties: false }),
        response: { 200: json('A page of revisions.', Ref(RevisionList)), ...problems }
      }
    },
    async ({ query: { limit, after } }) => ({
      ...revisions.list({ limit, after: placeIn(after, text => (/^\d{1,15}$/.test(text) ? Number(text) : undefined)) }),
      event_cursor: controller.cursor
    })
  )

  app.get(
    '/revisions/:revision',
    {
      schema: {
        operationId: 'get_revision',
        ...needs('operator'),
        tags,
        summary: 'Get a revision with its configuration',
        description:
          'The configuration is that which was staged then, with its groups, secrets included; the audit log tells who has read it.',
        params,
        response: { 200: json('The revision.', Ref(RevisionDocument)), ...problems }
      }
    },
    async ({ params: { revision }, principal }) => {
      const document = revisions.get(revision)
      // It may hold secrets.
      access.audit.done('get_configuration', principal, `revision ${revision}`)
      return document
    }
  )

  app.get(
    '/revisions/:revision/diff',
    {
      schema: {
        operationId: 'diff_revision',
        ...needs('operator'),
        tags,
        summary: 'Compare a revision with an earlier one',
        description:
          'Instances, nodes, groups and captures as they were staged, by their names, and the files of the bundles, small texts with a unified diff. A secret of the configuration that differs is told, and masked; texts are shown as they are.',
        params,
        querystring: Type.Object(
          { from: Type.Optional({ ...RevisionNumber, description: 'The earlier one; the one before, if not given.' }) },
          { additionalProperties: false }
        ),
        response: { 200: json('What is different.', Ref(RevisionDifference)), ...problems }
      }
    },
    async ({ params: { revision }, query: { from } }) => await revisions.difference(revision, from)
  )
}
