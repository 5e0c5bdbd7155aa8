import type { FastifyInstance } from 'fastify'
import { needs } from '../../routes/answers.js'
import { AppError } from '../errors.js'
import { fixed, forever, sendFixed } from './fixed.js'
import { PageFiles } from './page-files.js'

const schema = { hide: true, ...needs('anyone') }
const pageName = /^[a-z0-9-]+$/
const styleName = /^guide-[A-Z0-9]{8}\.css$/

/** Serves the guide at /docs/guide/: the pages that scripts/guide.ts makes of docs/, and their style. */
export function serveGuide(pages: FastifyInstance, directory: string): void {
  const files = new PageFiles(directory, bytes => fixed('text/html; charset=utf-8', bytes))
  // Relative, so that it is right behind a proxy that puts this server under a prefix.
  pages.get('/docs/guide', { schema }, (_request, reply) => reply.redirect('guide/'))
  pages.get('/docs/guide/', { schema }, async (request, reply) => {
    const index = await files.get('index.html')
    if (!index) throw new AppError('not_found', 'the guide is not built: npm run build')
    sendFixed(index, request, reply)
    return await reply
  })
  pages.get<{ Params: { page: string } }>('/docs/guide/:page', { schema }, async (request, reply) => {
    const { page } = request.params
    if (styleName.test(page)) return reply.sendFile(page, directory, forever)
    const found = pageName.test(page) && page !== 'index' && (await files.get(`${page}.html`))
    if (!found) return reply.callNotFound()
    sendFixed(found, request, reply)
    return await reply
  })
}
