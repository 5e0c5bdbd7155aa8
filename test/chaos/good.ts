import type { Line, Shown, Told } from './lines.js'

const epoch = 'e1'
export const cursor = (seq: number) => `${epoch}.${seq}`
const clock = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString()
const success = [{ success: true }]

function request(reqid: string, type: string, state: string, args: Record<string, unknown>, seconds: number): Shown {
  const results = state === 'expired' ? [] : [{ reqid, success: state === 'succeeded' }]
  return {
    reqid,
    type,
    state,
    success: state === 'succeeded',
    arguments: args,
    results,
    created_at: clock(seconds),
    finished_at: clock(seconds + 1)
  }
}

/** Four requests over both doors, one of them killed; a client that follows all of it, one that follows one request. */
export function goodHistory(): Line[] {
  const requests = [
    request('r1', 'restart', 'succeeded', { nodes: ['mark-1'] }, 0),
    request('r2', 'deploy', 'interrupted', { force: false }, 10),
    request('r3', 'test_timeout', 'expired', {}, 20),
    request('r4', 'get_id_value', 'succeeded', { id: 'mark-4' }, 30)
  ]
  const start = ({ reqid, type }: Shown, seq: number): Told => ({ type: `${type}_request`, cursor: cursor(seq), reqid })
  const end = ({ reqid, type, state, success, results }: Shown, seq: number): Told =>
    state === 'expired'
      ? { type: 'request_expired', cursor: cursor(seq), reqid }
      : { type: `${type}_response`, cursor: cursor(seq), reqid, state, success: success!, results }
  const [r1, r2, r3, r4] = requests as [Shown, Shown, Shown, Shown]
  const log = [
    start(r1, 1),
    { type: 'request_progress', cursor: cursor(2), reqid: 'r1', results: success },
    end(r1, 3),
    start(r2, 4),
    end(r2, 5),
    { type: 'notify_agent_hello', cursor: cursor(6) },
    start(r3, 7),
    end(r3, 8),
    start(r4, 9),
    end(r4, 10)
  ]
  const hello = (stream: string, seq: number): Line => ({
    kind: 'control',
    stream,
    type: 'hello',
    cursor: cursor(seq),
    earliest: cursor(1),
    resumed: seq > 0
  })
  const seen = (stream: string, from: number, to: number): Line[] =>
    log.slice(from - 1, to).map(event => ({ kind: 'event', stream, event: { ...event } }))
  const pending = (shown: Shown): Shown => ({ ...shown, state: 'pending', results: [] })
  return [
    { kind: 'processes', nodes: { manager: [100], 'worker-1': [101] } },
    { kind: 'open', client: 'all', stream: 'all-1', from: 'latest', stays: true },
    hello('all-1', 0),
    { kind: 'ask', client: 'rest', id: 'a1', type: 'restart', key: 'k1', mark: 'mark-1' },
    { kind: 'lost', id: 'a1' },
    { kind: 'ask', client: 'rest', id: 'a2', type: 'restart', key: 'k1', mark: 'mark-1' },
    // Members of objects have no order.
    {
      kind: 'answer',
      id: 'a2',
      status: 200,
      request: { ...r1, results: [{ success: true, reqid: 'r1' }] },
      replayed: true
    },
    { kind: 'ask', client: 'rest', id: 'a3', type: 'restart', key: 'k1', mark: 'mark-1' },
    { kind: 'answer', id: 'a3', status: 200, request: { ...r1 }, replayed: true },
    ...seen('all-1', 1, 3),
    { kind: 'control', stream: 'all-1', type: 'heartbeat', cursor: cursor(3) },
    { kind: 'ask', client: 'rest', id: 'a4', type: 'deploy' },
    { kind: 'answer', id: 'a4', status: 202, request: pending(r2) },
    ...seen('all-1', 4, 4),
    { kind: 'kill', at: Date.parse(clock(10)), signal: 'SIGKILL' },
    { kind: 'open', client: 'all', stream: 'all-2', from: cursor(4), stays: true },
    hello('all-2', 4),
    ...seen('all-2', 5, 6),
    { kind: 'ask', client: 'rest', id: 'a5', type: 'test_timeout' },
    { kind: 'answer', id: 'a5', status: 202, request: pending(r3) },
    ...seen('all-2', 7, 8),
    { kind: 'ask', client: 'rest', id: 'a6', reqid: 'r2' },
    { kind: 'answer', id: 'a6', status: 200, request: { ...r2 } },
    { kind: 'ask', client: 'rest', id: 'a7', type: 'restart', mark: 'mark-7' },
    { kind: 'answer', id: 'a7', status: 503 },
    { kind: 'open', client: 'one', stream: 'one-1', from: 'latest', reqid: 'r1' },
    hello('one-1', 0),
    ...seen('one-1', 1, 3),
    { kind: 'control', stream: 'one-1', type: 'goodbye', reason: 'terminal' },
    { kind: 'open', client: 'one', stream: 'one-2', from: cursor(3), reqid: 'r1' },
    { kind: 'control', stream: 'one-2', type: 'over' },
    { kind: 'ask', client: 'ws', id: 'ws-1', type: 'get_id_value', mark: 'mark-4' },
    { kind: 'frame', client: 'ws', name: 'get_id_value_response', reqid: 'ws-1' },
    { kind: 'frame', client: 'other', name: 'get_id_value_request', reqid: 'r4' },
    { kind: 'frame', client: 'other', name: 'get_id_value_response', reqid: 'r4' },
    ...seen('all-2', 9, 10),
    { kind: 'settled', cursor: cursor(10) },
    ...log.map((event): Line => ({ kind: 'logged', event })),
    ...requests.map((request): Line => ({ kind: 'stored', request })),
    // Anyone may look at r3 and r4.
    ...[r1, r2].flatMap(({ reqid, state }, index) =>
      ['accepted', state].map((outcome, end): Line => ({
        kind: 'audited',
        entry: { type: 'audit', cursor: `a1.${2 * index + end + 1}`, reqid, outcome }
      }))
    ),
    {
      kind: 'nodes',
      nodes: [
        { node: 'manager', state: 'RUNNING', pid: 100 },
        { node: 'worker-1', state: 'RUNNING', pid: 101 }
      ]
    }
  ]
}
