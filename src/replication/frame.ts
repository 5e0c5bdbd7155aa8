import { createHash } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { Name } from '../../schemas/basics.js'
import { checker } from '../../schemas/validator.js'
import { invalid, messageOf } from '../errors.js'
import { Diverged, type Changes } from '../store/replica.js'

const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' })

/** What is known of a frame beside its changes. */
const Header = Type.Object({
  /** Digest of the frame before it, so that frames are a chain; empty in the first one. */
  previous: Type.Union([Digest, Type.Literal('')]),
  /** Grows with each leader. The first frame of a term changes nothing: with it a replica has become the leader. */
  term: Type.Integer({ minimum: 1 }),
  leader: Name,
  schema: Type.Integer({ minimum: 0 }),
  sequences: Type.Record(Type.String(), Type.Integer({ minimum: 0 }))
})

/** One transaction of the leader. */
export type Frame = Static<typeof Header> & Changes

const checkHeader = checker(Header, invalid)

/**
 * Returns a frame as it is in the log, and its digest. It has a line with the digest of what follows, the header as a
 * line of JSON, and the patchset.
 */
export function encodeFrame({ patchset, ...header }: Frame): { bytes: Uint8Array; digest: string } {
  const line = Buffer.from(`${JSON.stringify(header)}\n`)
  const digest = digestOf(line, patchset)
  return { bytes: Buffer.concat([Buffer.from(`${digest}\n`), line, patchset]), digest }
}

/** Reads a frame. Throws Diverged when it came damaged, or is none that this version knows. */
export function decodeFrame(bytes: Uint8Array): { frame: Frame; digest: string } {
  try {
    const [digest, content] = cut(bytes)
    // SQLite would apply a part of it, and take the rest for damage of the database.
    if (digest !== digestOf(content)) throw new Error('it is damaged')
    const [header, patchset] = cut(content)
    return { frame: { ...checkHeader(JSON.parse(header), 'frame'), patchset }, digest }
  } catch (error) {
    throw new Diverged(`a frame of the log cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Returns the first line, and what follows it. */
function cut(bytes: Uint8Array): [line: string, rest: Uint8Array] {
  const end = bytes.indexOf(0x0a)
  return [Buffer.from(bytes.subarray(0, Math.max(end, 0))).toString(), bytes.subarray(end + 1)]
}

function digestOf(...parts: Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
