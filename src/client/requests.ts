import type { Api, Schema } from './connection.js'
import {
  follow,
  isTransient,
  Outage,
  requestStream,
  type FollowOptions,
  type Followed,
  type OpenStream
} from './events.js'

export type ClusterRequest = Schema['ClusterRequest']
export type RequestType = Schema['RequestType']

/** The longest that the controller lets a question wait. */
const waitSeconds = 30
/** How long the answer to a short question is tried to be got from a controller that is away. */
const askPatienceMs = 10_000

export interface SubmitOptions {
  signal?: AbortSignal | undefined
  /** What is submitted again under the same key is the same request; another key each time where it is not said. */
  key?: string | undefined
  /** Seconds until the request times out, instead of what its type has. */
  timeout?: number | undefined
  /** Seconds that the answer may wait for the request to be finished. */
  wait?: number | undefined
  /** The entity tag that the configuration must have which the request changes. */
  ifMatch?: string | undefined
}

/**
 * Submits a request. When the connection is lost meanwhile it is sent again, under the same key: it is done once.
 * Returns it as it was accepted, or finished where the answer may wait.
 */
export async function submit(
  api: Api,
  type: RequestType,
  args: object,
  { signal, key = crypto.randomUUID(), timeout, wait, ifMatch }: SubmitOptions = {}
): Promise<ClusterRequest> {
  // Which arguments a type takes is for its schema to say, at the controller.
  const { data } = await (api.POST as PostAny)(`/v1/requests/${type}`, {
    params: {
      query: timeout === undefined ? {} : { timeout },
      header: {
        'Idempotency-Key': key,
        ...(wait === undefined ? {} : { Prefer: `wait=${wait}` }),
        ...(ifMatch === undefined ? {} : { 'If-Match': ifMatch })
      }
    },
    body: args,
    signal
  })
  return data
}

type PostAny = (path: string, init: object) => Promise<{ data: ClusterRequest }>

export interface StoryOptions extends FollowOptions {
  /** A stream with more than the events of the request; those of other requests are left out. */
  stream?: OpenStream | undefined
  onEvent?: ((event: Followed) => void) | undefined
}

/** Follows a request until it is finished, over lost connections, and returns it. */
export async function followed(
  api: Api,
  reqid: string,
  { stream = requestStream(api, reqid), onEvent = () => {}, ...options }: StoryOptions
): Promise<ClusterRequest> {
  for await (const event of follow(stream, { isKnown: true, ...options })) {
    // Of what the past was, the request itself tells.
    if (event.type === 'reset') break
    if ('reqid' in event && event.reqid !== reqid) continue
    onEvent(event)
    if (event.type.endsWith('_response') || event.type === 'request_expired') break
  }
  return await finished(api, reqid, options)
}

/** Returns a request once it is finished, over lost connections. */
export async function finished(api: Api, reqid: string, options: FollowOptions): Promise<ClusterRequest> {
  const { signal } = options
  const outage = new Outage(options)
  for (;;) {
    try {
      const { data } = await api.GET('/v1/requests/{reqid}', {
        params: { path: { reqid }, query: { wait: waitSeconds } },
        signal
      })
      outage.end()
      if (data && data.state !== 'pending') return data
    } catch (error) {
      if (signal.aborted || !isTransient(error)) throw error
      outage.begin((error as Error).message)
      await outage.pause(signal)
    }
  }
}

/** Submits a request and returns it once it is finished. */
export async function ask(
  api: Api,
  type: RequestType,
  args: object,
  options: SubmitOptions & Pick<FollowOptions, 'signal'>
): Promise<ClusterRequest> {
  const accepted = await submit(api, type, args, { ...options, wait: waitSeconds })
  if (accepted.state !== 'pending') return accepted
  return await finished(api, accepted.reqid, { signal: options.signal, patienceMs: askPatienceMs })
}
