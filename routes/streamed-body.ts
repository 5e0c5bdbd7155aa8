import type { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { openapiKeyword } from '../schemas/types.js'
import { AppError } from '../src/errors.js'
import { contentOf } from './answers.js'

/** How long the rest of a body is read that is of no interest, in milliseconds. */
const restMs = 5_000

/** Has the routes of an app get bodies of these media types as they come; a route says so with `isStream`, too. */
export function takeStreams(
  app: Pick<FastifyInstance, 'removeAllContentTypeParsers' | 'addContentTypeParser'>,
  types: string[]
): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(types, (_request, payload, done) => done(null, payload))
}

/** Returns the schema of a body that is not validated: it is read as it comes. */
export function streamed(types: readonly string[], description: string, example: string) {
  const schema = { type: 'string', format: 'binary', description, examples: [example] }
  return contentOf(
    Object.fromEntries(types.map(type => [type, Type.Any({ description, [openapiKeyword]: { schema } })]))
  )
}

/** Has a job read a body. Who is refused is told why, also while the rest is still on its way. */
export async function readStream<T>(
  body: unknown,
  what: string,
  job: (chunks: AsyncIterable<Buffer>) => Promise<T>
): Promise<T> {
  const stream = body as Readable | null | undefined
  if (!stream) throw new AppError('invalid_request', `the body is missing: ${what}`)
  const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  return await job(chunks).finally(() => ignoreRest(stream))
}

function ignoreRest(body: Readable): void {
  if (body.readableEnded) return
  body.resume()
  const timer = setTimeout(() => body.destroy(), restMs)
  body.once('close', () => clearTimeout(timer))
}
