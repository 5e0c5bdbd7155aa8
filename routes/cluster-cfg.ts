import { lookup } from 'node:dns/promises'
import { hostname } from 'node:os'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { requests } from '../schemas/api.js'
import { checker } from '../schemas/validator.js'
import { invalid } from '../src/errors.js'
import { parseClusterCfg } from '../src/formats/cluster-cfg/cluster-cfg.js'

/** zeek-client's configuration file has no registered type: one by convention, and what curl users write. */
export const clusterCfgTypes = ['text/x-ini', 'text/plain']

const file = Type.String({
  description: "zeek-client's configuration file (cluster.cfg).",
  examples: ['[manager]\nrole = manager\n\n[worker-1]\nrole = worker\ninterface = eth0\n']
})

/** The file, as a part of an OpenAPI `content`. */
export const clusterCfgContent = Object.fromEntries(clusterCfgTypes.map(type => [type, { schema: file }]))

const check = checker(requests.stage_configuration.arguments, invalid)

/** Has the routes of a scope take the file as their body. */
export function acceptClusterCfg(scope: FastifyInstance): void {
  scope.addContentTypeParser(clusterCfgTypes, { parseAs: 'string' }, (_request, body, done) => done(null, body))
}

/**
 * The arguments of stage_configuration that a file stands for. Throws `invalid_request` that names section, key and
 * line.
 */
async function readClusterCfg(text: string): Promise<object> {
  const config = await parseClusterCfg(text, {
    resolve: async host => (await lookup(host)).address,
    // As zeek-client has it: what names no instance is meant for this host.
    defaultInstance: `agent-${hostname()}`
  })
  return check({ config }, 'body')
}

/** What came without the type of JSON, and so unchecked. */
export async function readBody(body: unknown): Promise<object> {
  return typeof body === 'string' ? await readClusterCfg(body) : check(body, 'body')
}

/** Whether a client would rather have the file than JSON. */
export function wantsClusterCfg(accept: string | undefined): boolean {
  return /^\s*text\/(x-ini|plain)\b/.test(accept ?? '')
}
