import { join } from 'node:path'
import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { packageRoot } from '../util.js'
import { serveConsole } from './console.js'
import { serveGuide } from './guide.js'

/** Where a build puts the pages. */
export const pagesDirectory = join(packageRoot, 'dist', 'pages')

const self = ["'self'"]
const none = ["'none'"]

/** Nothing but what this server sends is run, shown or asked; nothing is inline. */
const headers: FastifyHelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: self,
      baseUri: self,
      frameAncestors: none,
      formAction: self,
      objectSrc: none,
      scriptSrc: self,
      styleSrc: self,
      imgSrc: [...self, 'data:'],
      connectSrc: self,
      workerSrc: self
    }
  },
  frameguard: { action: 'deny' },
  referrerPolicy: { policy: 'no-referrer' },
  // Whether a domain is to be used over TLS only is for its owner to decide.
  hsts: false
}
const permissions = ['camera', 'geolocation', 'microphone', 'payment', 'usb'].map(name => `${name}=()`).join(', ')

/** Serves what people read in a browser: the web console and the guide, from files that a build has put there. */
export async function servePages(app: FastifyInstance, directory: string): Promise<void> {
  await app.register(async pages => {
    await pages.register(helmet, headers)
    pages.addHook('onRequest', (_request, reply, done) => {
      reply.header('permissions-policy', permissions)
      done()
    })
    await pages.register(fastifyStatic, { serve: false, preCompressed: true, index: false, acceptRanges: false })
    serveConsole(pages, directory)
    serveGuide(pages, join(directory, 'guide'))
  })
}
