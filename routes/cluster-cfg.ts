import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { requests } from '../schemas/api.js'
import { checker } from '../schemas/validator.js'
import { invalid } from '../src/errors.js'
import { contextHere } from '../src/formats/context.js'

/** Media types of zeek-client's configuration file, none registered: one by convention, one as curl users write. */
export const clusterCfgTypes = ['text/x-ini', 'text/plain']

const file = Type.String({
  description: "zeek-client's configuration file (cluster.cfg).",
  examples: ['[manager]\nrole = manager\n\n[worker-1]\nrole = worker\ninterface = eth0\n']
})

/** The schema of the file, for each of its media types. */
export const clusterCfgContent = Object.fromEntries(clusterCfgTypes.map(type => [type, file]))

const check = checker(requests.stage_configuration.arguments, invalid)

/** Has the routes of a scope accept the file as their body. */
export function acceptClusterCfg(scope: FastifyInstance): void {
  scope.addContentTypeParser(clusterCfgTypes, { parseAs: 'string' }, (_request, body, done) => done(null, body))
}

/**
 * Returns the file as arguments of stage_configuration. Throws `invalid_request` that names section, key and line.
 */
async function readClusterCfg(text: string): Promise<object> {
  // Readers of files are loaded when there is one to read: they are thirty modules, 1 MB.
  const { parseClusterCfg } = await import('../src/formats/cluster-cfg/cluster-cfg.js')
  return check({ config: await parseClusterCfg(text, contextHere()) }, 'body')
}

/** Returns the checked arguments of a body whose type is not JSON, and which was not validated before. */
export async function readBody(body: unknown): Promise<object> {
  return typeof body === 'string' ? await readClusterCfg(body) : check(body, 'body')
}

/** Returns whether a client prefers the file to JSON. */
export function wantsClusterCfg(accept: string | undefined): boolean {
  return /^\s*text\/(x-ini|plain)\b/.test(accept ?? '')
}
