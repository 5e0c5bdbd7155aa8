import { Type, type Static } from '@sinclair/typebox'
import { closed, Cursor, ListOf, Name, OpenEnum, Ref } from './basics.js'

/** Schemas for several controllers, of which one leads. */

const Count = Type.Integer({ minimum: 0 })
const Words = (description: string) => Type.Optional(Type.String({ maxLength: 4096, description }))

const roles = ['leader', 'candidate', 'follower'] as const

/** How far a replica is, as it says itself. */
export const ReplicaStatus = Type.Object(
  {
    name: Name,
    role: Type.Unsafe<(typeof roles)[number]>({ type: 'string', enum: roles }),
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
    /** Milliseconds since it was known to have all that the leader had. */
    lag_ms: Type.Optional(Count),
    /** Why it cannot go on with the log; undefined while it can. */
    diverged: Words(''),
    /** Why it could not lead when it last tried; undefined since another one does. */
    obstacle: Words('')
  },
  closed
)
export type ReplicaStatus = Static<typeof ReplicaStatus>

/** What the leader says of itself in the lease. */
export const Claim = Type.Pick(ReplicaStatus, ['name', 'url', 'term', 'place'])
export type Claim = Static<typeof Claim>

const ReplicaRole = OpenEnum(
  'ReplicaRole',
  roles,
  'leader: writes, commands agents, and answers for all. follower: has what the leader has written, and passes on what it cannot answer. candidate: tries to lead.'
)

export const Replica = Type.Object(
  {
    name: Name,
    answers: Type.Boolean({ description: 'Whether it has answered the one that was asked; of itself it knows.' }),
    role: Type.Optional(Ref(ReplicaRole)),
    url: Type.Optional(Type.String({ description: 'Where the others reach it.' })),
    version: Type.Optional(Type.String()),
    term: Type.Optional(
      Type.Integer({ description: 'Of the leader whose last frame it has: it grows with each one.' })
    ),
    place: Type.Optional(Type.Integer({ description: 'Until which place of the log it has everything.' })),
    lag_seconds: Type.Optional(
      Type.Number({ description: 'How long ago it was known to have all that the leader had.' })
    ),
    diverged: Words('Why it cannot go on with the log.'),
    obstacle: Words('Why it could not lead when it last tried.')
  },
  {
    $id: 'Replica',
    ...closed,
    description: 'One of several controllers.',
    examples: [
      {
        name: 'controller-1',
        answers: true,
        role: 'leader',
        url: 'https://zeek1.example.com:2149',
        version: '0.1.0',
        term: 1796029553,
        place: 5120,
        lag_seconds: 0
      }
    ]
  }
)
export type Replica = Static<typeof Replica>

export const ReplicaList = Type.Object(
  { replicas: ListOf(Replica), event_cursor: Cursor },
  {
    $id: 'ReplicaList',
    ...closed,
    description: 'Every one of several controllers, sorted by name; empty where there is one alone.',
    examples: [{ replicas: Replica.examples, event_cursor: 'k3v9q2.1042' }]
  }
)

export type ReplicaList = Static<typeof ReplicaList>

/** Every schema of this file that OpenAPI names. */
export const replicationComponents = [ReplicaRole, Replica, ReplicaList]
