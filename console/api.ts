import createClient from 'openapi-fetch'
import { exitCodes, Failure } from '../src/client/failure.js'
import { Freshness } from '../src/client/freshness.js'
import type { paths } from '../src/client/openapi.js'
import type { Schema } from './model/types.js'

/** What the controller has refused, with each field that is wrong. */
export class Refusal extends Failure {
  readonly status: number
  readonly errors: readonly Schema['FieldError'][]

  constructor(status: number, { code, detail, errors = [] }: Pick<Schema['Problem'], 'code' | 'detail' | 'errors'>) {
    super(status >= 500 || status === 401 || status === 429 ? exitCodes.unavailable : exitCodes.failed, detail, {
      code
    })
    this.status = status
    this.errors = errors
  }
}

/**
 * Returns the API of the controller at a URL, as the browser's session may use it. What is no success is thrown: as a
 * Refusal what the controller says, as an Error when it was not reached.
 */
export function createApi(baseUrl: string) {
  const freshness = new Freshness()
  return createClient<paths>({
    baseUrl: baseUrl.replace(/\/$/, ''),
    credentials: 'same-origin',
    fetch: async request => {
      freshness.ask(request.headers)
      const response = await send(request)
      freshness.note(response.headers)
      // A cluster that is not ready is an answer.
      if (response.ok || (response.status === 503 && new URL(request.url).pathname.endsWith('/v1/health'))) {
        return response
      }
      throw await refusalOf(response)
    }
  })
}

export type Api = ReturnType<typeof createApi>

async function send(request: Request): Promise<Response> {
  try {
    return await fetch(request)
  } catch (error) {
    if (request.signal.aborted) throw error
    throw new Error('the controller is not reached', { cause: error })
  }
}

/** Returns what an answer refuses that is no success. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const { status } = response
  try {
    const problem = (await response.json()) as Schema['Problem']
    if (typeof problem.code === 'string' && typeof problem.detail === 'string') return new Refusal(status, problem)
  } catch {}
  return new Refusal(status, { code: 'unavailable', detail: `a proxy answers ${status}, not the controller` })
}

/** Returns a text that no one else makes: also where the page has come without TLS, which has no `randomUUID`. */
export function uniqueId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')
}
