import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import helmet from '@fastify/helmet'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.js'
import { packageRoot } from '../util.js'
import { fixed, sendFixed, type Fixed } from './fixed.js'
import { PageFiles } from './page-files.js'

/** Where the files of Swagger UI are, and which of them its page asks for. */
const uiDirectory = join(dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json')), 'static')
const uiFile = /^(swagger-ui(-bundle|-standalone-preset)?|index)\.(js|css)$|^favicon-(16x16|32x32)\.png$/

const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Swagger UI</title>
<link rel="stylesheet" href="static/swagger-ui.css">
<link rel="stylesheet" href="static/index.css">
<link rel="icon" type="image/png" href="static/favicon-32x32.png" sizes="32x32">
<link rel="icon" type="image/png" href="static/favicon-16x16.png" sizes="16x16">
</head>
<body>
<div id="swagger-ui"></div>
<script src="static/swagger-ui-bundle.js"></script>
<script src="static/swagger-ui-standalone-preset.js"></script>
<script src="static/swagger-initializer.js"></script>
</body>
</html>
`

/** Runs in the page. Its addresses are relative to it: a proxy may have put this server under a prefix. */
const initializer = `SwaggerUIBundle({
  url: new URL('yaml', location.href).href,
  dom_id: '#swagger-ui',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  plugins: [SwaggerUIBundle.plugins.DownloadUrl],
  layout: 'StandaloneLayout',
  validatorUrl: null
})
`

/**
 * Serves the OpenAPI document at /openapi.yaml, as it is in the package, and pages that show it at /docs. Everyone may
 * read it, so that it must cost next to nothing: to make it of the routes, as scripts/openapi.ts does, takes as long as
 * hundreds of other requests, and what makes it stays in memory.
 */
export async function serveDocument(app: FastifyInstance): Promise<void> {
  const files = new PageFiles(packageRoot, formsOf)
  const html = fixed('text/html; charset=utf-8', Buffer.from(page))
  const script = fixed('application/javascript; charset=utf-8', Buffer.from(initializer))
  const options = { schema: { hide: true } }
  const serve = (scope: FastifyInstance, path: string, form: (forms: Forms) => Fixed | Promise<Fixed>) =>
    scope.get(path, options, async (request, reply) => {
      const forms = await files.get('openapi.yaml')
      if (!forms) throw new AppError('not_found', 'openapi.yaml of the package is not there')
      sendFixed(await form(forms), request, reply)
      return await reply
    })
  serve(app, '/openapi.yaml', ({ yaml }) => yaml)
  await app.register(async pages => {
    // Whether a domain is to be used over TLS only is for its owner to decide.
    await pages.register(helmet, { hsts: false })
    await pages.register(fastifyStatic, { root: uiDirectory, serve: false })
    // Without the slash the page asks at the root for what it needs: a proxy may have something else there.
    pages.get('/docs', options, (_request, reply) => reply.redirect('docs/'))
    pages.get('/docs/', options, (request, reply) => sendFixed(html, request, reply))
    serve(pages, '/docs/yaml', ({ yamlOfPage }) => yamlOfPage)
    serve(pages, '/docs/json', forms => forms.jsonOfPage())
    pages.get('/docs/static/swagger-initializer.js', options, (request, reply) => sendFixed(script, request, reply))
    pages.get<{ Params: { file: string } }>('/docs/static/:file', options, ({ params: { file } }, reply) =>
      uiFile.test(file) ? reply.sendFile(file) : reply.callNotFound()
    )
  })
}

type Forms = ReturnType<typeof formsOf>

/**
 * Returns the document in each of its forms. That for a page of this server, at /docs/, asks the server that it is
 * from.
 */
function formsOf(bytes: Buffer) {
  const text = String(bytes).replace(/^servers:\n(?: .*\n)+/m, 'servers:\n  - url: ../\n')
  let json: Fixed | undefined
  return {
    yaml: fixed('application/yaml', bytes),
    yamlOfPage: fixed('application/yaml', Buffer.from(text)),
    /** Made when it is asked for, which the page itself does not: it reads YAML. */
    jsonOfPage: async () => {
      const { parse } = await import('yaml')
      json ??= fixed('application/json; charset=utf-8', Buffer.from(JSON.stringify(parse(text))))
      return json
    }
  }
}
