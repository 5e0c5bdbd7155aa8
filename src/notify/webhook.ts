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
/** The shortest part of an address or a header that is secret alone: shorter ones are words such as `api` and `v1`. */
const partLength = 6
/** What stands in an answer for what is secret. */
const hidden = '…'
/** What says that this very notification is not taken, now or later. */
const refusing = new Set([400, 413, 415, 422])

/** An HTTP endpoint. The status of its answer decides; it is followed nowhere else, and no proxy is in between. */
export class Webhook implements Sink {
  readonly shown: Sink['shown']
  #options: WebhookOptions
  /** Longer ones first. */
  #secrets: string[]

  constructor(options: WebhookOptions) {
    this.#options = options
    this.#secrets = secretsOf(options)
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
      request.on('error', error => finish({ state: 'failed', detail: this.#lineOf(messageOf(error)) }))
      request.on('response', answer => {
        clearTimeout(timer)
        startOf(answer, text => finish(outcomeOf(answer, this.#lineOf(text), now())))
      })
      request.end(body)
    })
  }

  /** Returns what was said as one line, without what is secret of this sink: servers repeat what they are asked. */
  #lineOf(said: string): string {
    // The end may be cut, within a secret.
    const cut = Math.max(0, ...this.#secrets.map(secret => overlapOf(said, secret)))
    let text = cut < partLength ? said : said.slice(0, -cut) + hidden
    for (const secret of this.#secrets) text = text.replaceAll(secret, hidden)
    return asLine(text)
  }
}

/**
 * Returns what a sink is told that is not shown: path, query, values of headers and the key, whole and in parts, also
 * as they are without their encoding.
 */
function secretsOf({ url: { pathname, search }, key, headers }: WebhookOptions): string[] {
  const whole = [pathname + search, pathname, search].filter(text => text.length > 1)
  const values = [...Object.values(headers), ...(key ? [key.toString('base64').replace(/=+$/, '')] : [])]
  const parts = [
    ...whole.flatMap(text => text.split(/[/?&=]/)),
    ...values,
    ...values.flatMap(text => text.split(/\s+/))
  ]
  const all = [...whole, ...parts.filter(text => text.length >= partLength)]
  return [...new Set([...all, ...all.map(decoded)])].sort((a, b) => b.length - a.length)
}

/** Returns how much of the start of a secret is the end of a text. */
function overlapOf(text: string, secret: string): number {
  let length = secret.length
  while (!text.endsWith(secret.slice(0, length))) length--
  return length
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Calls back with the start of a body, once: with as much as comes in time, whatever becomes of the rest. */
function startOf(answer: IncomingMessage, done: (text: string) => void): void {
  const parts: Buffer[] = []
  let length = 0
  const end = () => {
    clearTimeout(timer)
    answer.removeListener('data', add)
    // Without the start of a character at its end.
    done(new TextDecoder().decode(Buffer.concat(parts).subarray(0, answerBytes), { stream: true }))
  }
  const add = (part: Buffer) => {
    parts.push(part)
    length += part.length
    if (length >= answerBytes) end()
  }
  const timer = setTimeout(end, answerMs)
  answer.on('data', add).on('error', end).once('close', end).once('end', end)
}

function outcomeOf({ statusCode: status = 0, headers }: IncomingMessage, said: string, now: number): Outcome {
  const isRedirect = status >= 300 && status < 400
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
