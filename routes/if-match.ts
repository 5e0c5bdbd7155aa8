import { Type } from '@sinclair/typebox'
import { openapiKeyword } from '../schemas/types.js'
import type { IfMatch } from '../src/controller/entity-tags.js'

const entityTag = '(?:W/)?"[!#-~\\u0080-\\u00ff]*"'
// A list may have empty elements.
const entityTags = `[ \\t,]*${entityTag}(?:[ \\t]*,(?:[ \\t]*${entityTag})?)*[ \\t]*`

/** Returns the schema of `If-Match` (RFC 9110, 13.1.1), of what is compared with the tag of a configuration. */
export function ifMatchOf(state: 'staged' | 'deployed') {
  return Type.Optional(
    Type.String({
      pattern: `^(?:\\*|${entityTags})$`,
      maxLength: 4096,
      'x-expected': 'entity tags in quotes, with commas, or *',
      description: `Only if the ${state} configuration has one of these entity tags now; \`*\`: if there is one. \`GET /v1/configurations/${state}\` tells it, as \`ETag\`.`,
      examples: [state === 'staged' ? '"2f1f9a1c6a0d8b4e2c7f3b1a9d5e6c8f"' : '"12"'],
      [openapiKeyword]: { name: 'If-Match' }
    })
  )
}

/** Returns what a header asks for that fits the schema. */
export function ifMatchIn(header: string | undefined): IfMatch | undefined {
  if (header === undefined || header === '*') return header
  return header.match(new RegExp(entityTag, 'g'))!
}
