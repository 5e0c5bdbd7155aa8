import { request as requestClear } from 'node:http'
import { request as requestSecure } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { Template } from '../../schemas/notifications.js'
import { messageOf } from '../errors.js'
import { packageVersion } from '../util.js'
import type { Notification } from './group.js'
import { signatureHeaders } from './signature.js'
import { asLine, type Outcome, type Sink } from './sink.js'
import { bodyOf } from './templates.js'
import type { Teller } from './words.js'

export interface WebhookOptions {
  name: string
  url: URL
  key: Buffer | undefined
  template: Template
  headers: Readonly<Record<string, string>>
  ca: string | undefined
  timeoutMs: number
  teller: Teller
  now: () => number
}

/** What of an answer is read. */
const answerBytes = 2048
/** How long it is read: what it says has been decided by its status. */
const answerMs = 1_000
/** The longest that a sink can put off the next attempt. */
const retryAfterMaxMs = 3_600_000
/** What says that this very notification is not taken, now or later. */
const refusing = new Set([400, 413, 415, 422])

/** An HTTP endpoint. The status of its answer decides; it is followed nowhere else, and no proxy is in between. */
export class Webhook implements Sink {
  readonly shown: Sink['shown']
  #options: WebhookOptions

  constructor(options: WebhookOptions) {
    this.#options = options
    const { name, url, key, template, headers } = options
    this.shown = {
      name,
      kind: 'webhook',
      target: url.origin,
      template,
      signed: key !== undefined,
      ...(Object.keys(headers).length > 0 && { headers: Object.keys(headers).sort() })
    }
  }

  async deliver(notification: Notification, signal: AbortSignal): Promise<Outcome> {
    const { url, key, template, headers, ca, timeoutMs, teller, now } = this.#options
    const body = bodyOf(template, notification, teller)
    const send = url.protocol === 'https:' ? requestSecure : requestClear
    return await new Promise(resolve => {
      const request = send(url, {
        method: 'POST',
        // A connection of its own: none is kept whose other end may be gone.
        agent: false,
        ...(ca !== undefined && { ca }),
        headers: {
          'user-agent': `zeek-cluster/${packageVersion}`,
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          ...signatureHeaders(notification.id, body, now(), key)
        }
      })
      const finish = (outcome: Outcome) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        resolve(outcome)
        request.destroy()
      }
      const abort = () => finish({ state: 'failed', detail: 'it was broken off' })
      const timer = setTimeout(
        () => finish({ state: 'failed', detail: `no answer within ${timeoutMs / 1000} s` }),
        timeoutMs
      )
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
      request.on('error', error => finish({ state: 'failed', detail: asLine(messageOf(error)) }))
      request.on('response', answer => {
        clearTimeout(timer)
        startOf(answer, text => finish(outcomeOf(answer, text, now())))
      })
      request.end(body)
    })
  }
}

/** Calls back with the start of a body, once: with as much as comes in time, whatever becomes of the rest. */
function startOf(answer: IncomingMessage, done: (text: string) => void): void {
  const parts: Buffer[] = []
  let length = 0
  const end = () => {
    clearTimeout(timer)
    answer.removeListener('data', add)
    done(Buffer.concat(parts).subarray(0, answerBytes).toString())
  }
  const add = (part: Buffer) => {
    parts.push(part)
    length += part.length
    if (length >= answerBytes) end()
  }
  const timer = setTimeout(end, answerMs)
  answer.on('data', add).on('error', end).once('close', end).once('end', end)
}

function outcomeOf({ statusCode: status = 0, headers }: IncomingMessage, text: string, now: number): Outcome {
  const isRedirect = status >= 300 && status < 400
  const said = asLine(text)
  const detail = `HTTP ${status}${isRedirect ? ': it points elsewhere, where nothing is sent' : said === '' ? '' : `: ${said}`}`
  if (status >= 200 && status < 300) return { state: 'taken', detail }
  if (refusing.has(status)) return { state: 'refused', detail }
  const wait = retryAfterOf(headers['retry-after'], now)
  return { state: 'failed', detail, ...(wait !== undefined && { retryAfterMs: Math.min(wait, retryAfterMaxMs) }) }
}

/** Returns the milliseconds of a Retry-After, which has seconds or a date; undefined when it has neither. */
export function retryAfterOf(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const time = /^[A-Z][a-z]{2}, /.test(header) ? Date.parse(header) : NaN
  return Number.isNaN(time) ? undefined : Math.max(0, time - now)
}
