import { finished } from '../../src/client/requests.js'
import { Refusal } from '../api.js'
import { api } from '../context.js'
import type { Configuration } from '../model/configuration-difference.js'
import type { ClusterRequest, Schema } from '../model/types.js'

/** Returns a configuration that the controller has, with what it tells of it. Throws a Refusal when there is none. */
export async function documentOf(
  state: Schema['ConfigurationState'],
  signal?: AbortSignal
): Promise<Schema['ConfigurationDocument']> {
  const { data } = await api.GET('/v1/configurations/{state}', { params: { path: { state } }, signal })
  // It comes as JSON: nothing else was asked for.
  return data as Schema['ConfigurationDocument']
}

/** Returns a configuration that the controller has. Throws a Refusal when there is none. */
export const configurationOf = async (state: Schema['ConfigurationState']): Promise<Configuration> =>
  (await documentOf(state)).configuration

/** Makes nothing of a Refusal that says that there is no such configuration. */
export function undefinedIfNone(error: unknown): undefined {
  if (!(error instanceof Refusal) || error.status !== 404) throw error
}

export type Conversion = Schema['ConvertedConfiguration']

/** Has a file of another tool converted. Throws a Refusal with what is wrong with it. */
export async function converted(file: string, text: string): Promise<Conversion> {
  const { data } = await api.POST('/v1/conversions', {
    params: { query: { file } },
    body: text,
    bodySerializer: body => body,
    headers: { 'Content-Type': 'text/plain' }
  })
  return data!
}

/** How long the controller may be away while a request goes on. */
const patienceMs = 10_000

/** Returns a request once it is over. */
export async function over(request: ClusterRequest): Promise<ClusterRequest> {
  if (request.state !== 'pending') return request
  return await finished(api, request.reqid, { signal: new AbortController().signal, patienceMs })
}
