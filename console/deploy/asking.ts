import { Refusal } from '../api.js'
import { api } from '../context.js'
import type { Configuration } from '../model/configuration-difference.js'
import type { ClusterRequest, Schema } from '../model/types.js'

/** Returns a configuration that the controller has. Throws a Refusal when there is none. */
export async function configurationOf(state: Schema['ConfigurationState']): Promise<Configuration> {
  const { data } = await api.GET('/v1/configurations/{state}', { params: { path: { state } } })
  // It comes as JSON: nothing else was asked for.
  return (data as Schema['ConfigurationDocument']).configuration
}

/** Makes nothing of a Refusal that says that there is no such configuration. */
export function undefinedIfNone(error: unknown): undefined {
  if (!(error instanceof Refusal) || error.status !== 404) throw error
}

export interface Conversion {
  configuration: object
  notes: readonly string[]
}

type PostConversion = (path: string, init: object) => Promise<{ data: Conversion }>

/** Has a file of another tool converted. Throws a Refusal with what is wrong with it. */
export async function converted(file: string, text: string): Promise<Conversion> {
  const { data } = await (api.POST as PostConversion)('/v1/conversions', {
    params: { query: { file } },
    body: text,
    bodySerializer: (body: string) => body,
    headers: { 'Content-Type': 'text/plain' }
  })
  return data
}

const waitSeconds = 30

/** Returns a request once it is over. */
export async function finished(request: ClusterRequest): Promise<ClusterRequest> {
  let now = request
  while (now.state === 'pending') {
    const params = { path: { reqid: now.reqid }, query: { wait: waitSeconds } }
    now = (await api.GET('/v1/requests/{reqid}', { params })).data!
  }
  return now
}
