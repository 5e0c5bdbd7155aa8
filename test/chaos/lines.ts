/** What a history is made of: one JSON object a line, in the order in which they were seen by one observer. */

/** An event as streams carry it. */
export interface Told {
  type: string
  cursor: string
  reqid?: string
  state?: string
  success?: boolean
  results?: unknown[]
}

/** A request as the API shows it. */
export interface Shown {
  reqid: string
  type: string
  state: string
  success?: boolean
  arguments: Record<string, unknown>
  results: unknown[]
  created_at: string
  finished_at?: string
}

/** Asked of the controller: with `type` to do something, without to be shown the request `reqid`. */
export interface Ask {
  kind: 'ask'
  client: string
  /** Over a WebSocket it is what the client calls the request. */
  id: string
  type?: string
  reqid?: string
  /** Its Idempotency-Key: all that have it ask the same. */
  key?: string
  /** A text that is in its arguments, and in those of no other. */
  mark?: string
}

/** Its answer over HTTP. */
export interface Answer {
  kind: 'answer'
  id: string
  status: number
  request?: Shown
  replayed?: boolean
}
/** The connection was lost before the answer. */
export interface Lost {
  kind: 'lost'
  id: string
}

/** A client has opened a stream: at `from`, which is `latest`, `earliest` or a cursor. */
export interface Open {
  kind: 'open'
  client: string
  stream: string
  from: string
  types?: readonly string[]
  reqid?: string
  /** It stays: it has to hear of everything. */
  stays?: boolean
}

export interface Control {
  kind: 'control'
  stream: string
  type: string
  cursor?: string
  earliest?: string
  latest?: string
  resumed?: boolean
  reason?: string
}
export interface Seen {
  kind: 'event'
  stream: string
  event: Told
}

/**
 * What came over a WebSocket: the name of the event without its module, the request that it is of, the texts in its
 * results.
 */
export interface Frame {
  kind: 'frame'
  client: string
  name: string
  reqid: string
  texts?: readonly string[]
}

/** The controller was made to end. */
export interface Kill {
  kind: 'kill'
  at: number
  signal: string
}
/** The processes of each node, whenever that has changed. */
export interface Processes {
  kind: 'processes'
  nodes: Record<string, readonly number[]>
}

/** All is quiet: who stays has to get here. */
export interface Settled {
  kind: 'settled'
  cursor: string
}
/** The log at the end, in order, and the requests. Nothing may have been dropped from either. */
export interface Logged {
  kind: 'logged'
  event: Told
}
export interface Stored {
  kind: 'stored'
  request: Shown
}
/** An entry of the audit log, in order. */
export interface Audited {
  kind: 'audited'
  entry: Told & { outcome: string }
}
/** The nodes as the controller shows them at the end. */
export interface Nodes {
  kind: 'nodes'
  nodes: readonly { node: string; state: string; pid?: number }[]
}

export type Line =
  Ask | Answer | Lost | Open | Control | Seen | Frame | Kill | Processes | Settled | Logged | Stored | Audited | Nodes

export function parse(text: string): Line[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

export const isTerminal = ({ type }: { type: string }) => type.endsWith('_response') || type === 'request_expired'

export function placeOf(cursor: string): { epoch: string; seq: number } {
  const [epoch = '', seq] = cursor.split('.')
  return { epoch, seq: Number(seq) }
}
