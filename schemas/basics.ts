import { Type, type Static, type StringOptions, type TSchema, type TUnsafe } from '@sinclair/typebox'

/** A string out of a fixed set. TypeBox's own unions of literals do not reach client generators as enums. */
export function Enum<const T extends readonly string[]>(
  id: string,
  values: T,
  description: string
): TUnsafe<T[number]> {
  return Type.Unsafe<T[number]>({ $id: id, type: 'string', enum: [...values], description })
}

/**
 * A string whose set of values may grow. No schema refuses another value, and so no generated client does: they are
 * told in the description, and for programs as "x-extensible-enum".
 */
export function OpenEnum<const T extends readonly string[]>(
  id: string,
  values: T,
  description: string
): TUnsafe<T[number]> {
  return Type.Unsafe<T[number]>({ $id: id, type: 'string', 'x-extensible-enum': [...values], description })
}

/** The option of an object that has no other members than those that it names. */
export const closed = { additionalProperties: false } as const

/** The keyword of Text: a string that is longer is cut. */
export const cutKeyword = 'x-cut'

/**
 * A text for people out of the hands of another program: one that is longer is cut where it is received, not refused,
 * so that it neither fills the log of events nor costs what it came with. `max` in UTF-16 code units.
 */
export const Text = (max: number, options: StringOptions = {}) => Type.String({ [cutKeyword]: max, ...options })

/**
 * The keyword of a parameter or an answer for what OpenAPI says otherwise of it: `hidden`: nothing. `name`: another
 * name. `schema` and `example`: another form. `shared`: the name under which the operations that have it refer to it.
 */
export const openapiKeyword = 'x-openapi'
export interface InOpenapi {
  hidden?: boolean
  name?: string
  schema?: object
  example?: unknown
  shared?: string | undefined
}

/** A reference to a named schema, with its static type. */
export function Ref<T extends TSchema>(schema: T): TUnsafe<Static<T>> {
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` })
}

/** A list of a named schema. */
export function ListOf<T extends TSchema>(schema: T, options: { description?: string; maxItems?: number } = {}) {
  return Type.Array(Ref(schema), options)
}

export const namePattern = '^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$'

/** The rules for a name, as text for people. */
export const nameExpected = 'a name of 1 to 64 letters, digits, ".", "_" and "-" that begins with none of "." and "-"'

/** The name of an instance or a node. It becomes a directory, so it cannot be "." or hold a slash. */
export const Name = Type.String({
  pattern: namePattern,
  'x-expected': nameExpected,
  description: 'The name of an instance or a node.',
  examples: ['worker-1']
})

export const reqidExample = '0b9f7a52-4b0c-4a53-9f5c-6f8c1f1d8a44'

/** A request's ID, made by the controller. */
export const RequestId = Type.String({
  pattern: '^[A-Za-z0-9._-]{1,64}$',
  'x-expected': 'an ID of 1 to 64 letters, digits, ".", "_" and "-"',
  description: 'Identifies the request.',
  examples: [reqidExample]
})

/** The number of a revision: of a deployment, counted from 1. */
export const RevisionNumber = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'The number of a revision.',
  examples: [12]
})

/** What a deployment is for, in the words of who has asked for it. */
export const DeploymentComment = Type.String({
  pattern: '^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f]*$',
  minLength: 1,
  maxLength: 500,
  'x-expected': 'a text without control characters but tabs and ends of lines',
  description: 'What the deployment is for: kept with its revision.',
  examples: ['more workers on sensor-2']
})

/** The largest number of nodes that one instance tells of: more than any host runs. */
export const instanceNodesMax = 10_000

/** The highest number of a CPU: more than any machine has. */
export const cpuMax = 4095

/** A process ID of Linux. */
export const Pid = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })

export const Port = Type.Integer({ minimum: 1, maximum: 65535, description: 'A TCP port.', examples: [2200] })

/**
 * The literal of an IP address that other hosts can reach: neither 0.0.0.0 nor ::, and without a zone (%eth0), which
 * means something else on each host.
 */
export const Host = Type.String({
  format: 'ip',
  'x-expected': 'neither 0.0.0.0 nor ::, and without a zone',
  description: 'An IP address that other hosts can reach.',
  examples: ['127.0.0.1']
})

/** RFC 3339, UTC, with milliseconds. */
export const Time = Type.String({ format: 'date-time', examples: ['2026-11-22T14:48:56.123Z'] })

/** A place in the event log; clients return it unchanged. */
export const Cursor = Type.String({
  pattern: '^[A-Za-z0-9._-]{1,64}$',
  'x-expected': 'a cursor, as an event has it',
  description: 'A place in the event log. Opaque.',
  examples: ['k3v9q2.1042']
})

/** Where the next page of a list begins. */
export const Next = Type.Optional(
  Type.String({
    description: 'The `after` of the next page; absent in the last one. Opaque.',
    examples: ['k3v9q2.1042']
  })
)

export const ClusterRole = Enum(
  'ClusterRole',
  ['MANAGER', 'LOGGER', 'PROXY', 'WORKER'],
  'What a node does in the cluster. Nodes start in this order.'
)
export type ClusterRole = Static<typeof ClusterRole>
export const clusterRoles: readonly ClusterRole[] = ['MANAGER', 'LOGGER', 'PROXY', 'WORKER']

export const NodeState = Enum(
  'NodeState',
  ['PENDING', 'RUNNING', 'STOPPED', 'FAILED', 'CRASHED', 'UNKNOWN'],
  'PENDING: started, not yet part of the cluster. RUNNING: it has joined the cluster. STOPPED: stopped on purpose. ' +
    'CRASHED: it exited and will be started again. FAILED: it exited too often, or cannot be started. UNKNOWN: its agent is not connected, or it does not answer.'
)
export type NodeState = Static<typeof NodeState>

export const DesiredState = Enum(
  'DesiredState',
  ['RUNNING', 'STOPPED'],
  'What a node is to be. Kept through restarts and deployments, until start or stop changes it.'
)
export type DesiredState = Static<typeof DesiredState>

export const ConfigurationState = Enum(
  'ConfigurationState',
  ['staged', 'ready', 'deployed'],
  'staged: as the client sent it. ready: the same as a deployment would make it now, with addresses and ports filled in. deployed: as it was sent to the agents.'
)
export type ConfigurationState = Static<typeof ConfigurationState>
