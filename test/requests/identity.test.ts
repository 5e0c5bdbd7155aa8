import t from 'tap'
import type { Outcome } from '../../schemas/types.js'
import { withReqid } from '../../src/requests/task.js'
import { openRequests } from '../support/requests.js'

/** What an agent could send as one of its outcomes: members that identify something else. */
const forged = { success: true, node: 'worker-1', reqid: 'of another', type: 'audit' } as unknown as Outcome

await t.test('a result is of its own request, whatever its outcome says', t => {
  t.match(withReqid('mine', [forged]), [{ reqid: 'mine', node: 'worker-1' }])
  t.end()
})

await t.test('what a task tells is of its own request, whatever is in it', async t => {
  const { requests, finished, eventsOf, log } = await openRequests(t)
  const { request } = await requests.start('get_node_output', {}, { timeoutMs: 20_000 }, async task => {
    task.progress('agent-1', [forged])
    const spread = { reqid: 'of another', node: 'worker-1', stream: 'stderr' as const, lines: ['a'] }
    task.tell({ type: 'node_output', instance: 'agent-1', ...spread })
    return { results: [forged] }
  })
  await finished(request)
  t.match(
    eventsOf(request.reqid).map(({ type, reqid, results }) => [type, reqid, results?.map((one: any) => one.reqid)]),
    [
      ['get_node_output_request', request.reqid, undefined],
      ['request_progress', request.reqid, [request.reqid]],
      ['node_output', request.reqid, undefined],
      ['get_node_output_response', request.reqid, [request.reqid, request.reqid]]
    ]
  )
  t.equal(log.ofRequest('of another', 0, 10).length, 0)
})

await t.test('a task cannot tell what only its request tells', async t => {
  const { requests, finished } = await openRequests(t)
  const { request } = await requests.start('restart', {}, { timeoutMs: 20_000 }, async task => {
    // @ts-expect-error There is one response, and no task writes it.
    t.type(() => task.tell({ type: 'restart_response', reqid: task.reqid }), 'function')
    return { results: [] }
  })
  await finished(request)
})
