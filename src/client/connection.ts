import { setTimeout as sleep } from 'node:timers/promises'
import createClient, { type Client } from 'openapi-fetch'
import type { components, paths } from './openapi.js'
import { failureOfAnswer, failureOfNetwork, isLost } from './remedies.js'
import type { Target } from './target.js'

export type Schema = components['schemas']

/** The controller's API, with the types of its document. What is no success is thrown, as a Failure. */
export type Api = Pick<Client<paths>, 'GET' | 'POST' | 'PUT' | 'DELETE'>

/** How often something is sent whose answer is lost, and the pause after the first time. */
const attempts = 5
const pauseMs = 200

/** Returns the API of a controller. Nothing is sent yet. */
export async function connect(target: Target): Promise<Api> {
  const { url, token } = target
  const { fetch: send, Request: RequestClass } = await transportOf(target)
  /** Sends a request. It is sent again when its answer is lost, if that changes nothing. */
  const ask = async (request: Request, attempt = 1): Promise<Response> => {
    // What has a key is done once; a question is asked again of a controller that has answered before.
    const isRepeatable = request.headers.has('idempotency-key') || (isKnown && request.method === 'GET')
    try {
      // A body can be sent once. One that is not sent again is not kept: it may be a large one.
      return await send(isRepeatable ? request.clone() : request)
    } catch (error) {
      if (request.signal.aborted) throw error
      const failure = failureOfNetwork(error, url)
      if (!isRepeatable || attempt === attempts || !isLost(failure)) throw failure
      await sleep(pauseMs * attempt, undefined, { signal: request.signal })
      return await ask(request, attempt + 1)
    }
  }
  let isKnown = false
  const client = createClient<paths>({
    baseUrl: url,
    Request: RequestClass,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    fetch: async request => {
      const response = await ask(request)
      isKnown = true
      if (isExpected(request, response)) return response
      throw await failureOfAnswer(response, { url, hasToken: token !== undefined })
    }
  })
  return client
}

/** Whether an answer is one of a controller that has done what was asked; proxies answer with pages of their own. */
function isExpected({ url }: Request, { status, headers }: Response): boolean {
  // For load balancers, a cluster that is not ready is no success.
  const isSuccess = status < 400 || (status === 503 && url.endsWith('/v1/health'))
  const isOurs = /^(application\/json|text\/event-stream|text\/(x-ini|tab-separated-values))\b/.test(
    headers.get('content-type') ?? ''
  )
  return isSuccess && (isOurs || status === 204)
}

/** Returns what sends requests; with certificates, a library's, which is large and loaded only then. */
async function transportOf({ ca, cert, key }: Target): Promise<Pick<typeof globalThis, 'fetch' | 'Request'>> {
  if (ca === undefined && cert === undefined && key === undefined) return globalThis
  const undici = await import('undici')
  const dispatcher = new undici.Agent({ connect: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } })
  return {
    fetch: ((request: never) => undici.fetch(request, { dispatcher })) as unknown as typeof fetch,
    Request: undici.Request as unknown as typeof Request
  }
}
