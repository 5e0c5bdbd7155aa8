import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import {
  Bundle,
  BundleContent,
  BundleDifference,
  BundleList,
  BundleName,
  bundleParts,
  BundleRef
} from '../schemas/bundles.js'
import { Ref } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { json, needs, problems } from './answers.js'
import { paging, placeIn } from './pages.js'
import { readStream, streamed, takeStreams } from './streamed-body.js'

const tags = ['bundles']
const archiveTypes = ['application/x-tar', 'application/gzip', 'application/octet-stream']
const params = Type.Object({ bundle: BundleRef })
const parts = Object.entries(bundleParts)
  .map(([part, use]) => `\`${part}/\` (${use})`)
  .join(', ')
const location = Type.String({ description: 'The bundle.', examples: ['/v1/bundles/7d3a8c0b…'] })

/** Routes for the files that nodes load: uploaded once, and sent to every host by a deployment. */
export const bundleRoutes: FastifyPluginAsyncTypebox<{ controller: Controller }> = async (
  app,
  { controller: { bundles } }
) => {
  takeStreams(app, archiveTypes)

  app.post(
    '/bundles',
    {
      config: { isStream: true },
      schema: {
        operationId: 'upload_bundle',
        ...needs('operator'),
        tags,
        summary: 'Upload a bundle',
        description: `A tar archive, also compressed by gzip, read as it comes: the settings controller_bundle_max_bytes and controller_bundle_max_files are its limits. At its top it has any of ${parts}, and nothing else; it holds files and directories, no links. The same content is one bundle, however it is packed: 200 when it is there already, so that no Idempotency-Key is needed. Times and owners do not count, of modes only whether a file is executable. A \`Problem\` names the entry that no bundle may have; nothing is kept then.`,
        querystring: Type.Object({ name: Type.Optional(BundleName) }, { additionalProperties: false }),
        body: {
          content: streamed(archiveTypes, 'The archive.', '(the bytes of site.tar)')
        },
        response: {
          200: json('The bundle, which was there already.', Ref(Bundle)),
          201: json('The bundle.', Ref(Bundle), { headers: { Location: location } }),
          ...problems
        }
      }
    },
    async (request, reply) => {
      const { bundle, isNew } = await readStream(request.body, 'a tar archive', chunks =>
        bundles.receive(chunks, { name: request.query.name, by: request.principal })
      )
      return await reply
        .code(isNew ? 201 : 200)
        .header('location', `/v1/bundles/${bundle.id}`)
        .send(bundle)
    }
  )

  app.get(
    '/bundles',
    {
      schema: {
        operationId: 'list_bundles',
        ...needs('viewer'),
        tags,
        summary: 'List bundles, newest first',
        description: 'By pages: `next` of one is `after` of the next one.',
        querystring: Type.Object(paging({ maximum: 1000, default: 100 }), { additionalProperties: false }),
        response: { 200: json('A page of bundles.', Ref(BundleList)), ...problems }
      }
    },
    async ({ query: { limit, after } }) =>
      bundles.list({ limit, after: placeIn(after, text => (/^\d{1,15}$/.test(text) ? Number(text) : undefined)) })
  )

  app.get(
    '/bundles/:bundle',
    {
      schema: {
        operationId: 'get_bundle',
        ...needs('operator'),
        tags,
        summary: 'Get a bundle with its files',
        description: 'By one of its names, or its id. The files are sorted by path; their contents are not told.',
        params,
        response: { 200: json('The bundle.', Ref(BundleContent)), ...problems }
      }
    },
    async request => bundles.get(request.params.bundle)
  )

  app.get(
    '/bundles/:bundle/diff',
    {
      schema: {
        operationId: 'diff_bundle',
        ...needs('operator'),
        tags,
        summary: 'Compare a bundle with an earlier one',
        description:
          'By paths, contents and modes: times and owners are no part of a bundle. Of texts of at most 64 KiB, until they have 1 MiB together, there is a unified diff.',
        params,
        querystring: Type.Object({ from: BundleRef }, { additionalProperties: false }),
        response: { 200: json('What is different.', Ref(BundleDifference)), ...problems }
      }
    },
    async request => await bundles.difference(request.query.from, request.params.bundle)
  )

  app.delete(
    '/bundles/:bundle',
    {
      schema: {
        operationId: 'delete_bundle',
        ...needs('operator'),
        tags,
        summary: 'Delete a bundle',
        description: 'With the names that point to it. 409 while something names it: `used_by` says what.',
        params,
        response: { 204: { type: 'null', description: 'It is deleted.' }, ...problems }
      }
    },
    async (request, reply) => {
      await bundles.remove(request.params.bundle, request.principal)
      return await reply.code(204).send()
    }
  )
}
