import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { ClusterRequest, RequestState } from '../../schemas/api.js'
import type { Outcome } from '../../schemas/types.js'
import { AppError } from '../../src/errors.js'
import { until } from '../support/until.js'
import { openRequests } from '../support/requests.js'

const ok = (node?: string): Outcome => ({ success: true, ...(node ? { node } : {}) })
const bad = (node?: string, error = 'a test'): Outcome => ({ success: false, error, ...(node ? { node } : {}) })
const options = { timeoutMs: 20_000 }
const signal = new AbortController().signal

/** Work that ends with its test. */
function hanging(t: Test) {
  let end = (_: { results: Outcome[] }) => {}
  const ended = new Promise<{ results: Outcome[] }>(resolve => {
    end = resolve
  })
  t.teardown(() => end({ results: [] }))
  return () => ended
}

await t.test('the state that results come to', async t => {
  const cases: [Outcome[], RequestState][] = [
    [[], 'succeeded'],
    [[ok()], 'succeeded'],
    [[bad()], 'failed'],
    [[ok(), bad()], 'partial'],
    [[ok('a'), ok('b'), ok()], 'succeeded'],
    [[ok('a'), bad('b'), ok()], 'partial'],
    [[bad('a'), bad('b'), ok()], 'failed'],
    [[ok('a'), bad()], 'partial'],
    [[bad('a'), bad()], 'failed']
  ]
  const { stateOf } = await import('../../src/requests/task.js')
  for (const [results, expected] of cases) t.equal(stateOf(results), expected, JSON.stringify(results))
})

await t.test('a request is written down, worked on, and answered', async t => {
  const { requests, finished, eventsOf } = await openRequests(t)
  const { request, replayed } = await requests.start('restart', { nodes: ['a'] }, options, async task => {
    await task.progress('one', [ok('a')])
    return { results: [ok('b')], warnings: ['careful'] }
  })
  t.match(request, { state: 'pending', type: 'restart', arguments: { nodes: ['a'] }, results: [] })
  t.equal(request.success, undefined)
  t.notOk(replayed)
  const done = await finished(request)
  const { reqid } = request
  t.match(done, {
    state: 'succeeded',
    success: true,
    results: [
      { reqid, node: 'a' },
      { reqid, node: 'b' }
    ],
    warnings: ['careful']
  })
  t.match(eventsOf(reqid), [
    { type: 'restart_request', reqid, arguments: { nodes: ['a'] }, expires_at: request.expires_at },
    { type: 'request_progress', instance: 'one', results: [{ reqid, node: 'a' }] },
    {
      type: 'restart_response',
      state: 'succeeded',
      success: true,
      results: [{ node: 'a' }, { node: 'b' }],
      warnings: ['careful']
    }
  ])
  t.equal(requests.pending, 0)
})

await t.test('the cursor of a request is the place before its first event', async t => {
  const { requests, log, finished } = await openRequests(t)
  const first = await requests.start('get_nodes', {}, options, async () => ({ results: [] }))
  await finished(first.request)
  const { head } = log
  const { request } = await requests.start('get_nodes', {}, options, async () => ({ results: [] }))
  t.equal(request.event_cursor, `${log.epoch}.${head}`)
})

await t.test('what is foreseen is the answer, what is not is an internal error and hidden', async t => {
  const { requests, finished, eventsOf } = await openRequests(t)
  for (const [error, text] of [
    [new AppError('unavailable', 'no instances connected'), 'no instances connected'],
    [new TypeError('x is not a function'), 'internal error']
  ] as const) {
    const { request } = await requests.start('restart', {}, options, async () => {
      throw error
    })
    t.match(await finished(request), { state: 'failed', success: false, results: [{ success: false, error: text }] })
    t.same(
      eventsOf(request.reqid).map(({ type }) => type),
      ['restart_request', 'restart_response']
    )
  }
})

await t.test('progress after the response is dropped', async t => {
  const { requests, finished, eventsOf, store } = await openRequests(t)
  let late = () => {}
  const { request } = await requests.start('restart', {}, options, async task => {
    late = () => task.progress('late', [bad('z')])
    return { results: [ok('a')] }
  })
  await finished(request)
  late()
  await store.write('written', () => {})
  t.same(
    requests.get(request.reqid).results.map(({ node }) => node),
    ['a']
  )
  t.same(
    eventsOf(request.reqid).map(({ type }) => type),
    ['restart_request', 'restart_response']
  )
})

await t.test('at its deadline a task is told, and says what it has', async t => {
  const { requests, finished } = await openRequests(t)
  const { request } = await requests.start('restart', {}, { timeoutMs: 30 }, async task => {
    await task.progress('one', [ok('a')])
    while (!task.signal.aborted) await sleep(1)
    t.equal(task.remainingMs(), 1)
    return { results: [bad('b', 'request timed out')], timedOut: true }
  })
  t.match(await finished(request), {
    state: 'timed_out',
    success: false,
    results: [{ node: 'a' }, { node: 'b', error: 'request timed out' }]
  })
})

await t.test('a task that does not heed its deadline is answered for, once', async t => {
  const { requests, finished, eventsOf } = await openRequests(t)
  let end = (_: unknown) => {}
  const { request } = await requests.start('restart', {}, { timeoutMs: 10 }, async () => {
    await new Promise(resolve => {
      end = resolve
    })
    return { results: [ok('a')] }
  })
  t.match(await finished(request), { state: 'timed_out', results: [{ success: false, error: 'request timed out' }] })
  end(undefined)
  await sleep(10)
  t.equal(eventsOf(request.reqid).length, 2)
  t.equal(requests.get(request.reqid).state, 'timed_out')
})

await t.test('a test of timeouts without state expires, and with state it is answered', async t => {
  const { requests, finished, eventsOf } = await openRequests(t)
  const work = async (task: { signal: AbortSignal }) => {
    while (!task.signal.aborted) await sleep(1)
    return { results: [bad(undefined, 'request timed out')], timedOut: true }
  }
  for (const [args, state, last] of [
    [{}, 'expired', 'request_expired'],
    [{ with_state: false }, 'expired', 'request_expired'],
    [{ with_state: true }, 'timed_out', 'test_timeout_response']
  ] as const) {
    const { request } = await requests.start('test_timeout', args, { timeoutMs: 10 }, work)
    t.match(await finished(request), { state, success: false })
    t.same(
      eventsOf(request.reqid).map(({ type }) => type),
      ['test_timeout_request', last]
    )
  }
})

await t.test('a close answers what is pending, and nothing is started any more', async t => {
  const { requests, eventsOf } = await openRequests(t)
  let aborted = 0
  const work = (task: { signal: AbortSignal }) =>
    new Promise<{ results: Outcome[] }>(resolve =>
      task.signal.addEventListener('abort', () => {
        aborted++
        resolve({ results: [ok()] })
      })
    )
  const one = await requests.start('restart', {}, options, work)
  const two = await requests.start('test_timeout', {}, options, work)
  await requests.close()
  t.equal(aborted, 2)
  t.match(requests.get(one.request.reqid), {
    state: 'interrupted',
    results: [{ success: false, error: 'request interrupted' }]
  })
  t.equal(requests.get(two.request.reqid).state, 'expired')
  await sleep(5)
  t.same(
    [one, two].map(({ request }) => eventsOf(request.reqid).length),
    [2, 2]
  )
  await t.rejects(requests.start('restart', {}, options, work), { code: 'unavailable' })
})

await t.test('what a dead controller left pending is answered by the next, once', async t => {
  const first = await openRequests(t)
  const started: ClusterRequest[] = []
  const work = hanging(t)
  for (const type of ['restart', 'get_nodes', 'test_timeout'] as const) {
    started.push((await first.requests.start(type, {}, options, work)).request)
  }
  first.abandon()
  const { requests, eventsOf } = await openRequests(t, { directory: first.directory })
  await requests.recover()
  await requests.recover()
  t.same(
    started.map(({ reqid }) => requests.get(reqid).state),
    ['interrupted', 'interrupted', 'expired']
  )
  t.same(
    started.map(({ reqid }) => eventsOf(reqid).map(({ type }) => type)),
    [
      ['restart_request', 'restart_response'],
      ['get_nodes_request', 'get_nodes_response'],
      ['test_timeout_request', 'request_expired']
    ]
  )
})

await t.test('more than a page of pending requests is recovered', async t => {
  const first = await openRequests(t)
  const work = hanging(t)
  await Promise.all(Array.from({ length: 230 }, () => first.requests.start('get_nodes', {}, options, work)))
  first.abandon()
  const { requests } = await openRequests(t, { directory: first.directory })
  await requests.recover()
  t.equal(requests.list({ state: 'pending', limit: 10 }).requests.length, 0)
  t.equal(requests.list({ state: 'interrupted', limit: 1000 }).requests.length, 230)
})

await t.test('a key makes one request of many, in one tick or later, and refuses another payload', async t => {
  const { requests, finished, log } = await openRequests(t)
  let worked = 0
  const start = (fingerprint = 'f') =>
    requests.start('deploy', {}, { ...options, idempotency: { key: 'k', fingerprint } }, async () => {
      worked++
      return { results: [ok()] }
    })
  const [one, two, other] = await Promise.allSettled([start(), start(), start('g')])
  t.match(one, { status: 'fulfilled', value: { replayed: false } })
  t.match(two, { status: 'fulfilled', value: { replayed: true } })
  t.match(other, { status: 'rejected', reason: { code: 'idempotency_key_reused' } })
  const { request } = (one as PromiseFulfilledResult<{ request: ClusterRequest }>).value
  await finished(request)
  const again = await start()
  t.match(again, { replayed: true, request: { reqid: request.reqid, state: 'succeeded' } })
  t.equal(worked, 1)
  t.equal(log.head, 2)
  t.equal(requests.pending, 0)
})

await t.test('only so many can be pending, counted before they are written', async t => {
  const { requests } = await openRequests(t, { pendingMax: 2 })
  const start = () =>
    requests.start(
      'restart',
      {},
      options,
      task => new Promise(resolve => task.signal.addEventListener('abort', () => resolve({ results: [] })))
    )
  const settled = await Promise.allSettled([start(), start(), start()])
  t.same(
    settled.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected']
  )
  t.match(settled[2], { reason: { code: 'unavailable' } })
  t.equal(requests.pending, 2)
  await requests.close()
})

await t.test('what is handed back when too many are pending is not counted as refused', async t => {
  const { requests } = await openRequests(t, { pendingMax: 1 })
  const start = (key: string) =>
    requests.start(
      'restart',
      {},
      { ...options, idempotency: { key, fingerprint: 'f' } },
      task => new Promise(resolve => task.signal.addEventListener('abort', () => resolve({ results: [] })))
    )
  const first = await start('a')
  t.match(await start('a'), { replayed: true, request: { reqid: first.request.reqid } })
  t.equal(requests.refused, 0)
  await t.rejects(start('b'), { code: 'unavailable' })
  t.equal(requests.refused, 1)
  await requests.close()
})

await t.test('only so many of one client can be pending, which leaves room for others', async t => {
  const { requests } = await openRequests(t, { pendingMax: 3, pendingMaxOfClient: 2 })
  const start = (client: string) =>
    requests.start(
      'restart',
      {},
      { ...options, by: { name: client, role: 'operator', address: '127.0.0.1', client } },
      task => new Promise(resolve => task.signal.addEventListener('abort', () => resolve({ results: [] })))
    )
  await Promise.all([start('a'), start('a')])
  await t.rejects(start('a'), { code: 'too_many_requests' })
  await start('b')
  await t.rejects(start('b'), { code: 'unavailable' })
  t.equal(requests.pending, 3)
  await requests.close()
})

await t.test('only so many requests of one client can follow nodes, and viewers leave room for others', async t => {
  const { requests } = await openRequests(t, { pendingMax: 1000 })
  const start = (client: string, args: object, role: 'viewer' | 'operator' = 'viewer') =>
    requests.start(
      'get_node_stats',
      args,
      { ...options, by: { name: client, role, address: '127.0.0.1', client } },
      task => new Promise(resolve => task.signal.addEventListener('abort', () => resolve({ results: [] })))
    )
  for (const client of ['a', 'b', 'c', 'd']) {
    for (let n = 0; n < 10; n++) await start(client, n % 2 === 0 ? { watch: true } : { follow: true })
    await t.rejects(start(client, { watch: true }), { code: 'too_many_requests' })
    await start(client, { watch: false })
  }
  await t.rejects(start('e', { watch: true }), { code: 'unavailable' })
  await start('e', { watch: true }, 'operator')
  t.equal(requests.refused, 5)
  await requests.close()
})

await t.test('a page ends early when its requests have many results, and the next one goes on', async t => {
  const { requests } = await openRequests(t)
  const results = Array.from({ length: 100 }, (_, n) => ({ success: true as const, node: `w-${n}` }))
  for (let n = 0; n < 23; n++) await requests.start('get_instances', {}, options, { now: () => ({ results }) })
  const seen: string[] = []
  const lengths: number[] = []
  for (let before: number | undefined; ;) {
    const { requests: page, next } = requests.list({ before, limit: 20 }, 700)
    seen.push(...page.map(({ reqid }) => reqid))
    lengths.push(page.length)
    if (next === undefined) break
    before = Number(next)
  }
  t.same(lengths, [10, 10, 3])
  t.same(
    seen,
    requests.list({ limit: 100 }).requests.map(({ reqid }) => reqid)
  )
  t.equal(requests.list({ limit: 23 }).requests.length, 23, 'without a limit of results it does not')
})

await t.test('a request that cannot be written is refused, and does not count', async t => {
  const { requests, store } = await openRequests(t)
  store.get('PRAGMA query_only = ON')
  await t.rejects(requests.start('restart', {}, options, async () => t.fail('it works on it') as never))
  store.get('PRAGMA query_only = OFF')
  t.equal(requests.pending, 0)
})

await t.test('who waits has the request when it ends, when the time is over, or when it leaves', async t => {
  const { requests } = await openRequests(t)
  let end = (_: unknown) => {}
  const {
    request: { reqid }
  } = await requests.start('restart', {}, options, async () => {
    await new Promise(resolve => {
      end = resolve
    })
    return { results: [ok()] }
  })
  t.equal((await requests.wait(reqid, 0, signal)).state, 'pending')
  t.equal((await requests.wait(reqid, 5, signal)).state, 'pending')
  const leaving = new AbortController()
  const left = requests.wait(reqid, 10_000, leaving.signal)
  leaving.abort()
  t.equal((await left).state, 'pending')
  const waiting = [requests.wait(reqid, 10_000, signal), requests.wait(reqid, 10_000, signal)]
  end(undefined)
  t.same(
    (await Promise.all(waiting)).map(({ state }) => state),
    ['succeeded', 'succeeded']
  )
  t.equal((await requests.wait(reqid, 10_000, signal)).state, 'succeeded')
  await t.rejects(requests.wait('nobody', 10, signal), { code: 'not_found' })
})

await t.test('the history has pages that fit together', async t => {
  const { requests, finished } = await openRequests(t)
  for (let n = 0; n < 5; n++) {
    await finished((await requests.start('get_nodes', {}, options, async () => ({ results: [] }))).request)
  }
  const all = requests.list({ limit: 100 })
  t.equal(all.next, undefined)
  const first = requests.list({ limit: 3 })
  const second = requests.list({ limit: 3, before: Number(first.next) })
  t.same([...first.requests, ...second.requests], all.requests)
  t.equal(second.next, undefined)
})

await t.test('each request that is answered is told once', async t => {
  const told: ClusterRequest[] = []
  const { requests } = await openRequests(t, { onFinished: request => told.push(request) })
  const { request } = await requests.start('restart', {}, options, async () => ({ results: [ok()] }))
  await until(() => told.length, 'it is told')
  t.match(told, [{ reqid: request.reqid, state: 'succeeded' }])
})

await t.test('what is known at once is written down with its request, and told after it', async t => {
  const told: string[] = []
  const { requests, eventsOf } = await openRequests(t, {
    onStarted: ({ state }) => told.push(state),
    onFinished: ({ state }) => told.push(state)
  })
  const { request } = await requests.start('get_instances', {}, options, {
    now: () => ({ results: [ok()], warnings: ['odd'] })
  })
  t.match(request, { state: 'pending', results: [] })
  t.same(told, ['pending', 'succeeded'])
  t.equal(requests.pending, 0)
  t.match(requests.get(request.reqid), {
    state: 'succeeded',
    success: true,
    results: [{ reqid: request.reqid, success: true }],
    warnings: ['odd']
  })
  t.match(eventsOf(request.reqid), [
    { type: 'get_instances_request' },
    { type: 'get_instances_response', state: 'succeeded', warnings: ['odd'] }
  ])
})

await t.test('what throws at once leaves nothing behind', async t => {
  const { requests } = await openRequests(t)
  await t.rejects(
    requests.start('get_instances', {}, options, {
      now: () => {
        throw new Error('broken')
      }
    }),
    { message: 'broken' }
  )
  t.equal(requests.pending, 0)
  t.same(requests.list({ limit: 10 }).requests, [])
})

await t.test('what is told as ended is what is kept', async t => {
  const told: ClusterRequest[] = []
  const { requests, finished } = await openRequests(t, { onFinished: request => told.push(request) })
  const { request } = await requests.start('restart', { nodes: ['a'] }, options, async task => {
    task.progress('one', [ok('a')])
    return { results: [bad('b')], warnings: ['careful'] }
  })
  await finished(request)
  t.same(told, [requests.get(request.reqid)])
})

await t.test('many requests at once each get one response', async (t: Test) => {
  const { requests, finished, eventsOf } = await openRequests(t)
  const started = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      requests.start('get_nodes', {}, options, async task => {
        await task.progress('one', [ok(`n${n}`)])
        return { results: [] }
      })
    )
  )
  for (const { request } of started) {
    await finished(request)
    t.equal(eventsOf(request.reqid).filter(({ type }) => type === 'get_nodes_response').length, 1)
  }
})

await t.test('progress and a response that cannot be written are written once the store works again', async t => {
  const told: string[] = []
  const { requests, store, eventsOf, finished } = await openRequests(t, { onFinished: ({ reqid }) => told.push(reqid) })
  const { request } = await requests.start('restart', {}, options, async task => {
    store.get('PRAGMA query_only = ON')
    await t.rejects(
      requests.start('restart', {}, options, async () => t.fail('it was refused') as never),
      { code: 'unavailable' }
    )
    task.progress('agent-a', [{ success: false, instance: 'agent-a', node: 'x', error: 'no' }])
    return { results: [{ success: true, instance: 'agent-a', node: 'y' }] }
  })
  await until(() => store.failure, 'the store fails')
  t.match([requests.get(request.reqid).state, requests.pending, told], ['pending', 1, []])
  store.get('PRAGMA query_only = OFF')
  await until(() => store.failure === undefined, 'it works again')
  t.match(await finished(request), { state: 'partial', results: [{ node: 'x' }, { node: 'y' }] })
  t.same(
    eventsOf(request.reqid).map(({ type }) => type),
    ['restart_request', 'request_progress', 'restart_response']
  )
  await until(() => requests.pending === 0, 'its place is free')
  t.same(told, [request.reqid])
})

await t.test('a clock that jumps leaves a request the time that it was given', async t => {
  let now = Date.now()
  const { requests, finished } = await openRequests(t, { now: () => now })
  for (const jump of [3_600_000, -7_200_000]) {
    const { request } = await requests.start('restart', {}, { timeoutMs: 60_000 }, async task => {
      now += jump
      const left = task.remainingMs()
      return { results: [left > 1 && left <= 60_000 ? ok() : bad()] }
    })
    t.equal((await finished(request)).state, 'succeeded')
  }
})
