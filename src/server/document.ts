import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { credentials } from '../../schemas/access.js'
import { packageRoot, packageVersion } from '../util.js'
import { fixed, sendFixed, type Fixed } from './fixed.js'
import { documentOf } from './openapi.js'

const openapi: Parameters<typeof swagger>[1] = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'zeek-cluster-controller',
      version: packageVersion,
      description:
        'Runs a Zeek cluster over many hosts: POST a request event, get a request ID, and hear of the response over Server-Sent Events. Answers and events may get new members, enums that are marked `x-extensible-enum` new values, and streams new types of events: clients ignore what they do not know.',
      license: { name: 'BSD-3-Clause', identifier: 'BSD-3-Clause' },
      contact: { name: 'zeek-cluster-controller' }
    },
    servers: [
      { url: '/', description: 'Where this document was read' },
      { url: 'http://127.0.0.1:2149', description: 'A controller on this host' }
    ],
    security: credentials,
    tags: [
      { name: 'requests', description: 'Submit requests and read their results' },
      { name: 'events', description: 'Event streams' },
      { name: 'state', description: 'Instances, nodes and configurations' },
      { name: 'bundles', description: 'Files that nodes load' },
      { name: 'revisions', description: 'Deployments that can be deployed again' },
      { name: 'notifications', description: 'What operators are told' },
      { name: 'monitoring', description: 'Health and metrics' },
      { name: 'session', description: 'Browser sessions and tickets' },
      { name: 'tokens', description: 'Tokens of clients and agents' },
      { name: 'joining', description: 'How hosts become agents' },
      { name: 'audit', description: 'Audit log' },
      { name: 'testing', description: 'For those who test clients' }
    ],
    components: {
      securitySchemes: {
        bearerToken: {
          type: 'http',
          scheme: 'bearer',
          description:
            'Where controller_authentication is token: one that `zeek-cluster token create` has printed. `x-role` of an operation is the least role that may ask; `join` is for tokens of that role alone. Who is limited to instances with labels may ask only where `x-limited` is true, and is answered as if there were nothing but these. A request needs neither a token nor a session where controller_authentication is none, or where the connection has a client certificate, whose O is the role.'
        },
        sessionCookie: {
          type: 'apiKey',
          in: 'cookie',
          name: 'zeek-cluster-session',
          description:
            'The cookie of a browser session, which `log_in` opens; with TLS its name begins with `__Host-`. What is not GET needs an `Origin`, too.'
        },
        streamTicket: {
          type: 'apiKey',
          in: 'query',
          name: 'ticket',
          description: 'From `create_ticket`, for an EventSource without a session: opens one event stream, once.'
        }
      }
    }
  },
  refResolver: { buildLocalReference: (schema, _base, _fragment, index) => String(schema.$id ?? `schema-${index}`) }
}

/**
 * Serves the OpenAPI document at /openapi.yaml, as it is in the package, and pages that show it at /docs. Everyone may
 * read it, so that it must cost next to nothing: to write it takes as long as hundreds of other requests.
 */
export async function serveDocument(app: FastifyInstance): Promise<void> {
  await app.register(swagger, openapi)
  const yaml = fixed('application/yaml', readFileSync(join(packageRoot, 'openapi.yaml')))
  let json: Fixed | undefined
  await app.register(async pages => {
    // Whether a domain is to be used over TLS only is for its owner to decide.
    await pages.register(helmet, { hsts: false })
    await pages.register(swaggerUi, {
      routePrefix: '/docs',
      uiConfig: { docExpansion: 'list', defaultModelsExpandDepth: 0 },
      uiHooks: {
        // Their own handlers make the document anew for each request.
        preHandler: (request, reply, done) => {
          const { url } = request.routeOptions
          // Without the slash the page asks at the root for what it needs: a proxy may have something else there.
          if (/^\/docs(\?|$)/.test(request.url)) void reply.redirect('docs/')
          else if (url === '/docs/yaml') sendFixed(yaml, request, reply)
          else if (url === '/docs/json') {
            json ??= fixed('application/json; charset=utf-8', Buffer.from(pageDocumentOf(app)))
            sendFixed(json, request, reply)
          } else done()
        }
      }
    })
  })
  app.get('/openapi.yaml', { schema: { hide: true } }, (request, reply) => {
    sendFixed(yaml, request, reply)
  })
}

/** Returns the document for a page of this server, at /docs/json: it asks the server that it is from. */
function pageDocumentOf(app: FastifyInstance): string {
  return JSON.stringify({ ...documentOf(app), servers: [{ url: '../' }] })
}
