import { setTimeout as sleep } from 'node:timers/promises'
import createClient, { type Client } from 'openapi-fetch'
import type { components, paths } from './openapi.js'
import { failureOfAnswer, failureOfNetwork, isLost } from './failures.js'
import type { Target } from './target.js'

export type Schema = components['schemas']

/** The controller's API, with the types of its document. What is no success is thrown, as a Failure. */
export type Api = Pick<Client<paths>, 'GET' | 'POST' | 'DELETE'>

/** How often something is sent whose answer is lost, and the pause after the first time. */
export const attempts = 5
export const pauseMs = 200

/** Returns the API of a controller. Nothing is sent yet. */
export async function connect(target: Target): Promise<Api> {
  const { url, token } = target
  const { fetch: send, Request: RequestClass } = await transportOf(target)
  /** Sends a request. A question to a controller that has answered before is asked again when its answer is lost. */
  const ask = async (request: Request, attempt = 1): Promise<Response> => {
    try {
      return await send(request)
    } catch (error) {
      if (request.signal.aborted) throw error
      const failure = failureOfNetwork(error, url)
      if (!isKnown || request.method !== 'GET' || attempt === attempts || !isLost(failure)) throw failure
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
  const isOurs = /^(application\/json|text\/event-stream|text\/x-ini)\b/.test(headers.get('content-type') ?? '')
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
