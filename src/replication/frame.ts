import { createHash } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { Name } from '../../schemas/basics.js'
import { checker } from '../../schemas/validator.js'
import { invalid, messageOf } from '../errors.js'
import { Diverged, type Changes } from '../store/replica.js'

const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' })

/** What is known of a frame beside its changes: a line of JSON, before these. */
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

/** Returns a frame as it is in the log, and its digest. */
export function encodeFrame({ patchset, ...header }: Frame): { bytes: Uint8Array; digest: string } {
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), patchset])
  return { bytes, digest: digestOf(bytes) }
}

/** Reads a frame. Throws Diverged when it is none that this version knows. */
export function decodeFrame(bytes: Uint8Array): { frame: Frame; digest: string } {
  const end = bytes.indexOf(0x0a)
  try {
    const header = checkHeader(JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()), 'frame')
    return { frame: { ...header, patchset: bytes.subarray(end + 1) }, digest: digestOf(bytes) }
  } catch (error) {
    throw new Diverged(`a frame of the log cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
