import { api } from '../context.js'
import type { RevisionDifference } from '../model/revisions.js'
import { useRead, type Read } from '../parts/read.js'

/** Compares a revision with another one. */
export function useDifference(revision: number, from: number | undefined): Read<RevisionDifference> {
  return useRead(from === undefined ? undefined : `${from} ${revision}`, async signal => {
    const params = { path: { revision }, query: { from: from! } }
    return (await api.GET('/v1/revisions/{revision}/diff', { params, signal })).data!
  })
}
