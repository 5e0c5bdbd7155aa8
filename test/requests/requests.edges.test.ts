import { pino } from 'pino'
import t from 'tap'
import type { ClusterRequest } from '../../schemas/api.js'
import { until } from '../support/until.js'
import { openRequests } from '../support/requests.js'

const options = { timeoutMs: 20_000 }

await t.test('a timeout can be any number of milliseconds', async t => {
  const { requests, finished } = await openRequests(t)
  // What ?timeout=1.0001 comes to.
  const { request } = await requests.start('restart', {}, { timeoutMs: 1.0001 * 1000 }, async () => ({ results: [] }))
  t.equal((await finished(request)).state, 'succeeded')
})

await t.test('a timeout can be longer than 2^31 ms, as the settings allow', async t => {
  const { requests, finished } = await openRequests(t)
  const { request } = await requests.start('restart', {}, { timeoutMs: 31_536_000_000 }, async task => {
    await new Promise(resolve => setTimeout(resolve, 20))
    return { results: [], timedOut: task.signal.aborted }
  })
  t.equal((await finished(request)).state, 'succeeded')
})

await t.test('a request that is being written when the controller closes is answered, and not worked on', async t => {
  const { requests } = await openRequests(t)
  let worked = 0
  const starting = requests.start('deploy', {}, options, async () => {
    worked++
    return { results: [] }
  })
  await requests.close()
  const reqid = await starting.then(
    ({ request }) => request.reqid,
    () => undefined
  )
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(worked, 0)
  if (reqid) t.equal(requests.get(reqid).state, 'interrupted')
})

await t.test('each request that has ended is told, a failed or interrupted one, too', async t => {
  const told: ClusterRequest[] = []
  const { requests, finished } = await openRequests(t, { onFinished: request => told.push(request) })
  await finished(
    (
      await requests.start('restart', {}, options, async () => {
        throw new Error('broken')
      })
    ).request
  )
  await requests.start(
    'restart',
    {},
    options,
    task => new Promise(resolve => task.signal.addEventListener('abort', () => resolve({ results: [] })))
  )
  await requests.close()
  await new Promise(resolve => setTimeout(resolve, 20))
  t.same(
    told.map(({ state }) => state),
    ['failed', 'interrupted']
  )
})

await t.test('a test of timeouts without state has no response, even when its task fails', async t => {
  const { requests, finished, eventsOf } = await openRequests(t)
  const { request } = await requests.start('test_timeout', {}, options, async () => {
    throw new Error('broken')
  })
  await finished(request)
  t.notOk(eventsOf(request.reqid).some(({ type }) => type === 'test_timeout_response'))
})

await t.test('who has left before it waits does not wait', async t => {
  const { requests } = await openRequests(t)
  const { request } = await requests.start(
    'restart',
    {},
    options,
    task => new Promise(resolve => task.signal.addEventListener('abort', () => resolve({ results: [] })))
  )
  let waited = false
  requests.wait(request.reqid, 5000, AbortSignal.abort()).then(
    () => {
      waited = true
    },
    () => {}
  )
  await until(() => waited, 'it is back', 500)
})

await t.test('who waits while the controller closes has the request as it ended', async t => {
  const { requests } = await openRequests(t)
  const { request } = await requests.start(
    'restart',
    {},
    options,
    task => new Promise(resolve => task.signal.addEventListener('abort', () => resolve({ results: [] })))
  )
  const waiting = requests.wait(request.reqid, 5000, new AbortController().signal)
  await requests.close()
  t.equal((await waiting).state, 'interrupted')
})

await t.test('a task that ends after the controller has closed is no error', async t => {
  const errors: string[] = []
  const log = pino(
    { level: 'error' },
    {
      write: line => {
        errors.push(JSON.parse(line).msg)
      }
    }
  )
  const { requests, abandon } = await openRequests(t, { log })
  let end = (_: { results: [] }) => {}
  await requests.start(
    'restart',
    {},
    options,
    () =>
      new Promise(resolve => {
        end = resolve
      })
  )
  await requests.close()
  abandon()
  end({ results: [] })
  await new Promise(resolve => setTimeout(resolve, 20))
  t.same(errors, [])
})
