import { Type } from '@sinclair/typebox'
import { openapiKeyword } from '../schemas/types.js'
import { invalid } from '../src/errors.js'

/** The place that a page begins after. Only the list that gave it can read it. */
const After = Type.Optional(
  Type.String({
    pattern: '^[A-Za-z0-9._/-]{1,129}$',
    'x-expected': 'the next of a page of this list',
    description: 'The `next` of the page before, as it is.',
    examples: ['k3v9q2.1042'],
    [openapiKeyword]: { shared: 'After' }
  })
)

/** Returns the parameters of a list that comes in pages. */
export function paging(sizes: { maximum: number; default: number }, note = '') {
  return {
    limit: Type.Integer({
      minimum: 1,
      ...sizes,
      description: `So many at most${note}. \`next\` tells of more.`,
      examples: [20]
    }),
    after: After
  }
}

/**
 * Returns the place that `after` names, as the list reads it. Throws `invalid_request` when that can make nothing of
 * it.
 */
export function placeIn<T>(after: string | undefined, read: (text: string) => T | undefined): T | undefined {
  if (after === undefined) return undefined
  const place = read(after)
  if (place === undefined) {
    throw invalid([{ field: 'querystring/after', message: 'must be the next of a page of this list' }])
  }
  return place
}
