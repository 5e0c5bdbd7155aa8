import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { needs } from '../../routes/answers.js'
import { AppError } from '../errors.js'
import { fixed, forever, sendFixed, type Fixed } from './fixed.js'
import { PageFiles } from './page-files.js'

/** The paths at which the web console is found: it shows what each of them says. */
export const consolePaths = [
  '/',
  '/nodes',
  '/nodes/:node',
  '/hosts',
  '/hosts/:instance',
  '/groups',
  '/deploy',
  '/revisions',
  '/revisions/:revision',
  '/content',
  '/content/:bundle',
  '/options',
  '/intel',
  '/events',
  '/requests',
  '/requests/:reqid',
  '/notifications',
  '/audit',
  '/login'
] as const

/** What the page of the console says of where it is. */
const base = '<base href="./" />'
/**
 * Names of assets tell their content: what is no asset, or is beside one (compressed, a source map), has another form.
 */
const assetName = /^[A-Za-z0-9][\w.-]*-[A-Z0-9]{8}\.(css|ico|js|png|svg|woff2)$/

/**
 * Serves the web console, which is one page at several paths, and its assets. The page refers to all else relative to
 * the root of this server, which it is told relative to its own path: so it works behind a proxy that puts the server
 * under a prefix, too.
 */
export function serveConsole(pages: FastifyInstance, directory: string): void {
  const files = new PageFiles(directory, atEachDepth)
  for (const path of consolePaths) {
    const depth = depthOf(path)
    pages.get<{ Params: Record<string, string> }>(
      path,
      { schema: { hide: true, ...needs('anyone') } },
      async (request, reply) => {
        // The router takes what ends with a slash for an empty name.
        if (Object.values(request.params).includes('')) return reply.callNotFound()
        const variants = await files.get('index.html')
        if (!variants) throw new AppError('not_found', 'the web console is not built: npm run build')
        sendFixed(variants[depth]!, request, reply)
        return await reply
      }
    )
  }
  const root = join(directory, 'assets')
  pages.get<{ Params: { asset: string } }>(
    '/assets/:asset',
    { schema: { hide: true, ...needs('anyone') } },
    ({ params: { asset } }, reply) => {
      if (!assetName.test(asset)) return reply.callNotFound()
      return reply.header('vary', 'accept-encoding').sendFile(asset, root, forever)
    }
  )
}

/** Returns how many directories a path is below the root. */
const depthOf = (path: string) => path.split('/').length - 2

/** Returns the page for each depth of a path. */
function atEachDepth(bytes: Buffer): Fixed[] {
  const html = String(bytes)
  if (!html.includes(base)) throw new Error(`the page of the web console has no ${base}`)
  const deepest = Math.max(...consolePaths.map(depthOf))
  return Array.from({ length: deepest + 1 }, (_, depth) =>
    fixed('text/html; charset=utf-8', Buffer.from(html.replace(base, `<base href="${'../'.repeat(depth) || './'}" />`)))
  )
}
