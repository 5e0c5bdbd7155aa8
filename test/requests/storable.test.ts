import t, { type Test } from 'tap'
import type { RequestType } from '../../schemas/api.js'
import type { Outcome } from '../../schemas/types.js'
import { isStorable } from '../../src/requests/storable.js'
import type { Answer, Task } from '../../src/requests/task.js'
import { openRequests } from '../support/requests.js'

/** A value as it comes from JSON, nested so deep. */
const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
const circular: object[] = []
circular.push(circular)

const bad: Record<string, unknown> = {
  'nested 200,000 deep': nested(200_000),
  'nested just too deep for the stack or not': nested(3000),
  'nested deeper than anything of ours': nested(70),
  circular,
  'without a form as JSON': 1n
}

const holding = (value: unknown, more: object = {}) =>
  ({ success: true, data: { value: 'x', more: value }, ...more }) as unknown as Outcome
const error = 'its answer cannot be stored'

/** Runs a request to its end. Returns it, and its events. */
async function run(t: Test, type: RequestType, work: (task: Task) => Promise<Answer>) {
  const { requests, finished, eventsOf } = await openRequests(t)
  const { request } = await requests.start(type, {}, { timeoutMs: 20_000 }, work)
  const ended = await finished(request)
  const events = eventsOf(request.reqid)
  t.equal(events.filter(event => event.type === `${type}_response`).length, 1, 'one response')
  return { ended, events }
}

for (const [name, value] of Object.entries(bad)) {
  await t.test(`an outcome ${name} is a failed result of its instance, in progress`, async t => {
    const { ended } = await run(t, 'restart', async task => {
      task.progress('agent-1', [holding(value, { node: 'worker-1' }), { success: true, node: 'worker-2' }])
      task.progress('agent-2', [{ success: true, node: 'worker-3' }])
      return { results: [] }
    })
    t.match(ended, {
      state: 'partial',
      results: [
        { success: false, instance: 'agent-1', node: 'worker-1', error },
        { success: true, instance: 'agent-1', node: 'worker-2' },
        { success: true, instance: 'agent-2', node: 'worker-3' }
      ]
    })
    t.equal(ended.results.length, 3)
  })

  await t.test(`an outcome ${name} is a failed result of its instance, in the answer`, async t => {
    const { ended } = await run(t, 'get_id_value', async () => ({
      results: [holding(value, { instance: 'agent-1' }), { success: true, instance: 'agent-2' }]
    }))
    t.match(ended, {
      state: 'partial',
      results: [
        { success: false, instance: 'agent-1', error },
        { success: true, instance: 'agent-2' }
      ]
    })
  })

  await t.test(`an event ${name} is a failed result of its instance, once`, async t => {
    const { ended, events } = await run(t, 'get_node_stats', async ({ reqid, tell }) => {
      for (let count = 0; count < 3; count++) {
        tell({ type: 'node_stats', reqid, instance: 'agent-1', stats: [value as never] })
      }
      tell({ type: 'node_stats', reqid, instance: 'agent-2', stats: [] })
      return { results: [] }
    })
    t.match(ended, { state: 'failed', results: [{ success: false, instance: 'agent-1', error }] })
    t.equal(ended.results.length, 1)
    t.same(
      events.map(({ type }) => type),
      ['get_node_stats_request', 'request_progress', 'node_stats', 'get_node_stats_response']
    )
  })
}

await t.test('a result is of the instance that has reported it', async t => {
  const { ended } = await run(t, 'restart', async task => {
    task.progress('agent-1', [{ success: false, instance: 'agent-2', node: 'worker-1', error: 'x' }])
    return { results: [] }
  })
  t.match(ended.results, [{ instance: 'agent-1', node: 'worker-1' }])
})

await t.test('what is nested as deep as a body may be can be stored', t => {
  t.equal(isStorable(nested(64)), true)
  t.equal(isStorable({ text: '['.repeat(1000), none: null, empty: {} }), true)
  t.end()
})
