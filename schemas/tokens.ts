import { Type, type Static } from '@sinclair/typebox'
import { RoleName } from './api.js'
import { closed, ListOf, Name, Ref, Time } from './basics.js'
import { Labels } from './groups.js'

/** As many as agents may be. They are listed at once, and all are read again when another process changes one. */
export const tokensMax = 10_000

const day = 86_400
const example = { id: '9448e9c83643', name: 'ops', role: 'operator', created_at: '2026-11-22T14:48:56.123Z' } as const

/** The id of a token; the first admin's own has a word for it. */
export const TokenId = Type.String({
  pattern: '^([0-9a-f]{12}|bootstrap)$',
  'x-expected': 'the id of a token, never its text',
  description: 'The id of a token: not a secret, and of no use to log in.',
  examples: [example.id]
})

/** A day: whoever runs the command on a host does so soon. */
export const joinTokenSeconds = day
/** As many as agents may be. */
export const joinUsesMax = tokensMax

const joinFields = {
  uses: Type.Integer({
    minimum: 1,
    maximum: joinUsesMax,
    description: 'How many hosts may ask with it.',
    examples: [1]
  }),
  accept: Type.Boolean({ description: 'Whether they are accepted at once, without an operator.', examples: [false] }),
  agent: Type.Optional({ ...Name, description: 'The only name that they may ask for.', examples: ['sensor-1'] })
}

export const JoinGrant = Type.Object(
  { ...joinFields, uses: Type.Optional(joinFields.uses), accept: Type.Optional(joinFields.accept) },
  {
    $id: 'JoinGrant',
    ...closed,
    description:
      'What a token of role `join` is good for: one host, which an operator accepts, unless it says otherwise.',
    examples: [{ uses: 20, accept: true }]
  }
)
export type JoinGrant = Static<typeof JoinGrant>

export const JoinGrantLeft = Type.Object(
  {
    ...joinFields,
    uses: Type.Integer({ minimum: 0, description: 'How many hosts may still ask with it.', examples: [1] })
  },
  {
    $id: 'JoinGrantLeft',
    ...closed,
    description: 'What a token of role `join` is still good for.',
    examples: [{ uses: 20, accept: true }]
  }
)

export const TokenInput = Type.Object(
  {
    role: Ref(RoleName),
    name: Type.Optional(
      Type.String({
        ...Name,
        description:
          'Who the bearer is, for the audit log; of an agent, the only name that it may use. Default: the role.',
        examples: ['ops']
      })
    ),
    expires_in: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: 99_999 * day,
        description:
          'Seconds until it expires. Without it, the token is good until it is revoked; one of role `join` for a day.',
        examples: [30 * day]
      })
    ),
    join: Type.Optional(Ref(JoinGrant)),
    labels: Type.Optional({
      ...Ref(Labels),
      description:
        'Limits a viewer or an operator to the instances that have all of these labels in what is deployed. Without it, nothing is limited.'
    })
  },
  {
    $id: 'TokenInput',
    ...closed,
    if: { properties: { role: { const: 'agent' } }, required: ['role'] },
    then: { properties: { name: {} }, required: ['name'], 'x-expected': 'an agent can speak for no other' },
    allOf: [
      {
        if: { properties: { join: {} }, required: ['join'] },
        then: { properties: { role: { enum: ['join'] } } }
      }
    ],
    description: 'What a token is to be.',
    examples: [{ role: 'operator', name: 'ops', expires_in: 30 * day }]
  }
)
export type TokenInput = Static<typeof TokenInput>

const known = {
  id: TokenId,
  name: Name,
  role: Ref(RoleName),
  created_at: Time,
  expires_at: Type.Optional(Time),
  join: Type.Optional(Ref(JoinGrantLeft)),
  labels: Type.Optional({ ...Ref(Labels), description: 'Of the instances that it is limited to.' })
}

export const Token = Type.Object(
  { ...known, session_of: Type.Optional({ ...TokenId, description: 'The token that this session ends with.' }) },
  {
    $id: 'Token',
    ...closed,
    description: 'What is known of a token, or of a session, which is a token of its own. Never its text.',
    examples: [example]
  }
)
export type Token = Static<typeof Token>

export const TokenList = Type.Object(
  { tokens: ListOf(Token) },
  { $id: 'TokenList', ...closed, description: 'All tokens, oldest first.', examples: [{ tokens: [example] }] }
)

export const CreatedToken = Type.Object(
  {
    ...known,
    token: Type.String({
      description: 'Its text, for `Authorization: Bearer`. It is told this once, and not kept.',
      examples: [`zcc_${example.id}_…`]
    }),
    fingerprint: Type.Optional(
      Type.String({
        description:
          "Of role `join`: the fingerprint by which a host knows this controller. That of its authority's key, or of the last one of the certificates that it shows.",
        examples: ['SHA256:jEaIzOW5ZKcyaXkvgcoI9mRWuIQVRYKSHZ9ESJSSmz8']
      })
    )
  },
  {
    $id: 'CreatedToken',
    ...closed,
    description: 'A new token, with its text.',
    examples: [{ ...example, token: `zcc_${example.id}_…` }]
  }
)
export type CreatedToken = Static<typeof CreatedToken>

export const tokenComponents = [JoinGrant, JoinGrantLeft, TokenInput, Token, TokenList, CreatedToken]
