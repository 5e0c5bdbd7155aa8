import { Type, type Static } from '@sinclair/typebox'
import { closed, ListOf, Name, OpenEnum, Port, Ref, Time } from './basics.js'

const fingerprintExample = 'SHA256:jEaIzOW5ZKcyaXkvgcoI9mRWuIQVRYKSHZ9ESJSSmz8'
const timeExample = '2026-11-22T14:48:56.123Z'
const pem = (what: string) => `-----BEGIN ${what}-----\n…\n-----END ${what}-----\n`

/** The longest request for a certificate: one for such a key has 350 characters. */
export const certificateRequestMax = 2048

export const CertificateRequest = Type.String({
  minLength: 1,
  maxLength: certificateRequestMax,
  description:
    'A request for a certificate (PKCS #10, PEM) for an ECDSA key on P-256, signed with it. Nothing else in it counts.',
  examples: [pem('CERTIFICATE REQUEST')]
})

export const CertificateText = Type.String({
  maxLength: 16_384,
  description: 'A certificate (PEM).',
  examples: [pem('CERTIFICATE')]
})

export const Fingerprint = Type.String({
  description:
    'SHA-256 of a public key, as `openssl pkey -pubin -outform der | openssl dgst -sha256` has it, in base64.',
  examples: [fingerprintExample]
})

export const JoinStatus = OpenEnum(
  'JoinStatus',
  ['pending', 'accepted', 'denied', 'forgotten'],
  'pending: an operator is to decide. accepted: it has its certificate. denied: it gets none. forgotten: it had one, which is not taken any more; told by events only. There may be more.'
)
export type JoinStatus = Static<typeof JoinStatus>

const joinId = Type.String({
  pattern: '^[0-9a-f]{12}$',
  'x-expected': 'the id of a join',
  description: 'Identifies what a host has asked for.',
  examples: ['5b0c3f1de9a2']
})
export const JoinId = joinId

export const JoinInput = Type.Object(
  { name: Name, request: CertificateRequest },
  {
    $id: 'JoinInput',
    ...closed,
    description: 'As which agent a host is to join, and the key that it has made.',
    examples: [{ name: 'sensor-1', request: pem('CERTIFICATE REQUEST') }]
  }
)
export type JoinInput = Static<typeof JoinInput>

export const JoinAnswer = Type.Object(
  {
    id: joinId,
    status: Ref(JoinStatus),
    fingerprint: Fingerprint,
    expires_at: Type.Optional({ ...Time, description: 'Until when it can be asked again: the end of the token.' }),
    certificate: Type.Optional({
      ...CertificateText,
      description: 'Once accepted: the certificate of the agent (PEM).'
    }),
    agent_port: Type.Optional({
      ...Port,
      description: 'Once accepted: the port at which the controller listens for agents.'
    })
  },
  {
    $id: 'JoinAnswer',
    ...closed,
    description: 'What has become of what a host has asked for.',
    examples: [{ id: '5b0c3f1de9a2', status: 'pending', fingerprint: fingerprintExample, expires_at: timeExample }]
  }
)
export type JoinAnswer = Static<typeof JoinAnswer>

export const Join = Type.Object(
  {
    id: joinId,
    name: Name,
    status: Ref(JoinStatus),
    fingerprint: { ...Fingerprint, description: "Of the host's key: the host shows the same." },
    address: Type.String({ description: 'Where it has asked from.', examples: ['192.0.2.7'] }),
    token: Type.String({ description: 'The id of the token that it has shown.', examples: ['9448e9c83643'] }),
    created_at: Time,
    expires_at: { ...Time, description: 'Until when it is waited for: the end of that token.' },
    decided_by: Type.Optional(Type.String({ description: 'Who has accepted or denied it.', examples: ['ops'] }))
  },
  {
    $id: 'Join',
    ...closed,
    description: 'What a host has asked for with a token of role `join`.',
    examples: [
      {
        id: '5b0c3f1de9a2',
        name: 'sensor-1',
        status: 'pending',
        fingerprint: fingerprintExample,
        address: '192.0.2.7',
        token: '9448e9c83643',
        created_at: timeExample,
        expires_at: timeExample
      }
    ]
  }
)
export type Join = Static<typeof Join>

export const JoinList = Type.Object(
  { joins: ListOf(Join) },
  {
    $id: 'JoinList',
    ...closed,
    description: 'What hosts have asked for, oldest first, until the tokens end that they have shown.',
    examples: [{ joins: Join.examples }]
  }
)

export const joinComponents = [JoinStatus, JoinInput, JoinAnswer, Join, JoinList]
