import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Type, type Static } from '@sinclair/typebox'
import { checker } from '../../../schemas/validator.js'
import { AppError, invalid } from '../../errors.js'

/** The header that a controller adds to what it forwards to the one that leads. */
export const forwardedHeader = 'zeek-forwarded'

/** Who has asked, as the controller knows that was asked. */
const Origin = Type.Object(
  {
    /** When it was forwarded; milliseconds since 1970. */
    at: Type.Integer(),
    address: Type.String({ maxLength: 64 }),
    /** Of the certificate that was shown, if one was. */
    bearer: Type.Optional(
      Type.Object(
        {
          name: Type.String(),
          role: Type.String(),
          units: Type.Optional(Type.Array(Type.String())),
          expires: Type.Integer()
        },
        { additionalProperties: false }
      )
    )
  },
  { additionalProperties: false }
)
export type Origin = Static<typeof Origin>

const checkOrigin = checker(Origin, invalid)

/** How far the clocks of two controllers may be apart, in milliseconds. */
const skewMs = 300_000

type Request = Pick<IncomingMessage, 'headers' | 'method' | 'url'>

/**
 * Tells the controller that leads who has asked another one: what it forwards is signed, with a secret that only the
 * controllers know. Tokens are forwarded as they came.
 */
export class Forwarded {
  #secret: () => string | undefined
  #now: () => number
  /** What was found out once about requests that are being served. */
  #known = new WeakMap<object, Origin>()

  /** `secret`: returns what all controllers know; undefined while there is none, or where there is only one. */
  constructor(secret: () => string | undefined, now: () => number) {
    this.#secret = secret
    this.#now = now
  }

  /** Returns the header for a request. Throws `not_leader` while there is no secret. */
  sign(request: Pick<Request, 'method' | 'url'>, origin: Omit<Origin, 'at'>): string {
    const secret = this.#secret()
    if (secret === undefined) throw new AppError('not_leader', 'no controller has led yet')
    const text = JSON.stringify({ at: this.#now(), ...origin } satisfies Origin)
    return `${Buffer.from(text).toString('base64url')}.${signatureOf(text, request, secret).toString('base64url')}`
  }

  /** Returns who has asked, for a request that another controller forwards. Throws `forbidden` if none does. */
  of(request: Request): Origin | undefined {
    const header = request.headers[forwardedHeader]
    if (header === undefined) return undefined
    const known = this.#known.get(request)
    if (known) return known
    const origin = this.#read(String(header), request)
    if (!origin) throw new AppError('forbidden', `${forwardedHeader} is only for the controllers of this cluster`)
    if (Math.abs(this.#now() - origin.at) > skewMs) {
      throw new AppError('forbidden', `${forwardedHeader} is not of now: do the clocks of all controllers agree?`)
    }
    this.#known.set(request, origin)
    return origin
  }

  #read(header: string, request: Request): Origin | undefined {
    const [encoded = '', signature = ''] = header.split('.')
    const [text, secret] = [Buffer.from(encoded, 'base64url').toString(), this.#secret()]
    if (secret === undefined) return undefined
    const [expected, given] = [signatureOf(text, request, secret), Buffer.from(signature, 'base64url')]
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
    try {
      return checkOrigin(JSON.parse(text), forwardedHeader)
    } catch {
      return undefined
    }
  }
}

/** The signature is of one method and path only, as they are sent. */
const signatureOf = (text: string, { method, url }: Pick<Request, 'method' | 'url'>, secret: string) =>
  createHmac('sha256', secret).update(`${text}\n${method} ${url}`).digest()
