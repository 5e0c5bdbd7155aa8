import { join } from 'node:path'
import { EventLog, type StoredEvent } from '../src/store/events.js'
import { Store, type ReplicaOptions } from '../src/store/store.js'

/** Flags of a controller that drops nothing. */
export const keepsAll = {
  'controller-events-max-count': 10_000_000,
  'controller-events-max-bytes': 2 ** 36,
  'controller-requests-max-count': 10_000_000
}

/** Everything in the log that a controller has left, in order. */
export function* eventsIn(directory: string, options: ReplicaOptions = {}): Generator<StoredEvent> {
  const store = new Store(join(directory, 'controller.sqlite'), undefined, undefined, options)
  try {
    const log = new EventLog(store)
    let seq = 0
    for (;;) {
      const events = log.after(seq, 10_000)
      if (events.length === 0) return
      yield* events
      seq = events.at(-1)!.seq
    }
  } finally {
    store.close()
  }
}

/** A history as a controller leaves it: of every request its two events, and what agents have told between. */
export async function fill(
  directory: string,
  { events, requests }: { events: number; requests: number }
): Promise<void> {
  const store = new Store(join(directory, 'controller.sqlite'))
  const log = new EventLog(store)
  await log.open()
  const now = Date.now()
  const numbers = (count: number) =>
    `WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${count - 1})`
  const reqid = (i: string) => `printf('0193-%012x-7000-8000-%012x', ${i}, ${i})`
  const each = events / requests
  await store.write('written', () => {
    store.run(
      `${numbers(events)} INSERT INTO events (time, type, reqid, instance, transient, body)
      SELECT ?, type, reqid, CASE WHEN reqid IS NULL THEN 'agent' END, 0, json_object('type', type, 'reqid', reqid, 'message', hex(zeroblob(100))) FROM (SELECT
        CASE i % ${each} WHEN 0 THEN 'restart_request' WHEN 1 THEN 'restart_response' ELSE 'notify_log' END AS type,
        CASE WHEN i % ${each} < 2 THEN ${reqid(`i / ${each}`)} END AS reqid FROM numbers)`,
      now
    )
    store.run(
      `${numbers(requests)} INSERT INTO requests (reqid, type, state, arguments, results, warnings, created_at, finished_at, expires_at, event_seq, transient)
      SELECT ${reqid('i')}, 'restart', 'succeeded', '{"nodes":["worker-1"]}', json_array(json_object('reqid', ${reqid('i')}, 'success', json('true'), 'instance', 'agent', 'node', 'worker-1')), '[]', ?, ?, ?, i * ${each}, 0 FROM numbers`,
      now,
      now,
      now
    )
  })
  await new EventLog(store).close()
  store.close()
}
