import { Type, type Static } from '@sinclair/typebox'
import { closed, Name } from '../../schemas/basics.js'

const Count = Type.Integer({ minimum: 0 })
const Words = Type.Optional(Type.String({ maxLength: 4096 }))

/** How far a replica is, as it says itself. */
export const ReplicaStatus = Type.Object(
  {
    name: Name,
    role: Type.Union([Type.Literal('leader'), Type.Literal('candidate'), Type.Literal('follower')]),
    /** URL at which the others, and clients, reach it. */
    url: Type.String({ pattern: '^https?://', maxLength: 512 }),
    version: Type.String({ maxLength: 64 }),
    /** Number of migrations of its database. */
    schema: Count,
    /** Of the last frame that it has committed. */
    term: Count,
    place: Count,
    /** Digest of that frame. */
    frame: Type.String({ maxLength: 128 }),
    /** Why it cannot go on with the log; undefined while it can. */
    diverged: Words,
    /** Why it could not lead when it last tried; undefined since another one does. */
    obstacle: Words
  },
  closed
)
export type ReplicaStatus = Static<typeof ReplicaStatus>

/** What the leader says of itself in the lease. */
export const Claim = Type.Pick(ReplicaStatus, ['name', 'url', 'term', 'place'])
export type Claim = Static<typeof Claim>
