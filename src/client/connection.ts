import { setTimeout as sleep } from 'node:timers/promises'
import createClient, { type Client } from 'openapi-fetch'
import type { components, paths } from './openapi.js'
import type { Failure } from './failure.js'
import { failureOfAll, failureOfAnswer, failureOfNetwork, isLost, isUndone, isUnreached } from './remedies.js'
import { Freshness } from './freshness.js'
import type { Target } from './target.js'

export type Schema = components['schemas']

/** The controller's API, with the types of its document. What is no success is thrown, as a Failure. */
export type Api = Pick<Client<paths>, 'GET' | 'POST' | 'PUT' | 'DELETE'>

/** How often all controllers are asked, and the pause after the first time. It doubles: another one leads meanwhile. */
const rounds = 5
const pauseMs = 400

type Init = RequestInit & { method: string; headers: Headers; signal?: AbortSignal }

/** What is asked, of whichever controller; a Request is for one URL, and its body can be sent once. */
class Question {
  readonly path: string
  readonly init: Init

  constructor(path: string, init: Init) {
    this.path = path
    this.init = init
  }
}

/**
 * Returns the API of controllers, of which the one that has answered last is asked. When it has not done what was
 * asked, the next one is: always where nothing was sent, or there is no leader; where only the answer is lost, if to
 * ask again changes nothing. Nothing is sent yet.
 */
export async function connect(target: Target): Promise<Api> {
  const { urls, token } = target
  const send = await transportOf(target)
  /** Which URL is asked first: the one that has answered last. */
  let preferred = 0
  let isKnown = false
  const freshness = new Freshness()

  const askOne = async ({ path, init }: Question, index: number): Promise<Response> => {
    const url = urls[index]!
    freshness.ask(init.headers)
    let response: Response
    try {
      response = await send(`${url}${path}`, init)
    } catch (error) {
      if (init.signal?.aborted !== true) throw failureOfNetwork(error, url)
      // It was not waited for any longer: the next question goes to another one.
      if (preferred === index) preferred = (index + 1) % urls.length
      throw error
    }
    preferred = index
    isKnown = true
    freshness.note(response.headers)
    if (isExpected(path, response)) return response
    throw await failureOfAnswer(response, { url, urls, hasToken: token !== undefined })
  }

  const ask = async (question: Question, round = 1): Promise<Response> => {
    const { method, headers, signal } = question.init
    // What has a key is done once.
    const hasKey = headers.has('idempotency-key')
    const failures: Failure[] = []
    const first = preferred
    for (const place of urls.keys()) {
      try {
        return await askOne(question, (first + place) % urls.length)
      } catch (error) {
        if (!isUndone(error) && !(isLost(error) && (hasKey || method === 'GET'))) throw error
        failures.push(error)
      }
    }
    // Of one that is not there, and has never been, it is told at once.
    const isWorthwhile = (hasKey || isKnown) && !failures.every(isUnreached)
    if (round === rounds || !isWorthwhile) throw failureOfAll(failures)
    await sleep(pauseMs * 2 ** (round - 1), undefined, { signal })
    return await ask(question, round + 1)
  }

  return createClient<paths>({
    Request: Question as never,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    fetch: ask as never
  })
}

/** Whether an answer is one of a controller that has done what was asked; proxies answer with pages of their own. */
function isExpected(path: string, { status, headers }: Response): boolean {
  // For load balancers, a cluster that is not ready is no success.
  const isSuccess = status < 400 || (status === 503 && path === '/v1/health')
  const isOurs = /^(application\/json|text\/event-stream|text\/(x-ini|tab-separated-values))\b/.test(
    headers.get('content-type') ?? ''
  )
  return isSuccess && (isOurs || status === 204)
}

/** Returns what sends requests; with certificates, a library's, which is large and loaded only then. */
async function transportOf({ ca, cert, key, tls }: Target): Promise<typeof fetch> {
  if (ca === undefined && cert === undefined && key === undefined && tls === undefined) return fetch
  const { checkController } = await import('../security/check-controller.js')
  const undici = await import('undici')
  const dispatcher = new undici.Agent({
    connect: {
      checkServerIdentity: checkController,
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(tls as object)
    }
  })
  return (async (url: never, init: object) => await undici.fetch(url, { ...init, dispatcher })) as never
}
