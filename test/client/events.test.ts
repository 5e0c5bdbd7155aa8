import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { connect } from '../../src/client/connection.js'
import { eventStream, follow, requestStream, type FollowOptions, type Followed } from '../../src/client/events.js'
import { finished, followed, submit } from '../../src/client/requests.js'

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** A server that answers one connection after the other, the last answer for all that come then. */
async function scripted(t: Test, ...answers: Answer[]) {
  const asked: string[] = []
  const keys = new Set<unknown>()
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['last-event-id'] ?? ''}`.trim())
    keys.add(request.headers['idempotency-key'])
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!
    answer(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { api: await connect({ urls: [url] }), asked, keys, url, server }
}

const frame = (event: object) => `data: ${JSON.stringify(event)}\n\n`
const hello = (cursor: string, more: object = {}) =>
  frame({ type: 'hello', cursor, heartbeat_seconds: 600, resumed: true, ...more })
const change = (cursor: string) =>
  frame({
    type: 'notify_change',
    cursor,
    time: 't',
    node: cursor,
    instance: 'i',
    old_state: 'PENDING',
    new_state: 'RUNNING',
    reason: 'r'
  })
const stream = (response: ServerResponse, ...texts: string[]) => {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  response.write(texts.join(''))
  return response
}
const goodbye = frame({ type: 'goodbye', reconnect: false })
const json = (response: ServerResponse, value: object, status = 200, type = 'application/json') =>
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(value))

async function collect(events: AsyncIterable<Followed>): Promise<string[]> {
  const told = []
  for await (const event of events) told.push('node' in event ? String(event.node) : event.type)
  return told
}

/** Options of a follower that note what it says of its connection. */
function options(t: Test, more: Partial<FollowOptions> = {}) {
  const said: string[] = []
  const ending = new AbortController()
  t.teardown(() => ending.abort())
  return {
    said,
    ending,
    signal: ending.signal,
    onConnection: (lost: string | undefined) => said.push(lost ?? 'again'),
    ...more
  }
}

await t.test('goes on after a cut from the last event, also in the middle of one', async t => {
  const broken: ServerResponse[] = []
  const { api, asked } = await scripted(
    t,
    response => broken.push(stream(response, hello('e.1'), change('e.2'), change('e.3').slice(0, 20))),
    response => stream(response, hello('e.2')).end(),
    response => stream(response, hello('e.2'), change('e.3'), frame({ type: 'heartbeat', cursor: 'e.9' })).end(),
    response => stream(response, hello('e.9'), change('e.10'), goodbye).end()
  )
  const { said, ...rest } = options(t)
  const told = []
  for await (const event of follow(eventStream(api, { from: 'e.1' }), rest)) {
    told.push('node' in event && event.node)
    broken.pop()?.destroy()
  }
  t.same(told, ['e.2', 'e.3', 'e.10'])
  t.same(asked, [
    'GET /v1/events?from=e.1',
    'GET /v1/events?from=e.1 e.2',
    'GET /v1/events?from=e.1 e.2',
    'GET /v1/events?from=e.1 e.9'
  ])
  t.equal(said.filter(text => text === 'again').length, 3, 'and says so, once for each loss')
  t.equal(said.length, 6)
})

await t.test('a character that is cut in two packets is whole', async t => {
  const bytes = Buffer.from(change('日本').replace('e.', ''))
  const { api } = await scripted(t, response => {
    stream(response, hello('e.1'))
    const at = bytes.indexOf(Buffer.from('日')) + 1
    response.write(bytes.subarray(0, at), () => response.end(Buffer.concat([bytes.subarray(at), Buffer.from(goodbye)])))
  })
  t.same(await collect(follow(eventStream(api), options(t))), ['日本'])
})

await t.test('silence for three heartbeats is a loss', async t => {
  const { api } = await scripted(
    t,
    response => stream(response, hello('e.1', { heartbeat_seconds: 0.03 }), change('e.2')),
    response => stream(response, hello('e.2'), change('e.3'), goodbye).end()
  )
  const { said, ...rest } = options(t)
  t.same(await collect(follow(eventStream(api), rest)), ['e.2', 'e.3'])
  t.same(said, ['the controller is silent', 'again'])
})

await t.test('a connection on which no answer begins is left for another one', async t => {
  const { api } = await scripted(
    t,
    () => {},
    response => stream(response, hello('e.1'), change('e.2'), goodbye).end()
  )
  const { said, ...rest } = options(t)
  const events = await collect(follow(eventStream(api), { ...rest, isKnown: true, openMs: 50 }))
  t.same(events, ['e.2'])
  t.same(said, ['the controller is silent', 'again'])
})

await t.test('of several controllers another one goes on from the same cursor', async t => {
  const first = await scripted(t, response => stream(response, hello('e.1'), change('e.2')))
  const second = await scripted(t, response => stream(response, hello('e.2'), change('e.3'), goodbye).end())
  const api = await connect({ urls: [first.url, second.url] })
  const told = []
  for await (const event of follow(eventStream(api), options(t))) {
    told.push('node' in event && event.node)
    first.server.close()
    first.server.closeAllConnections()
  }
  t.same(told, ['e.2', 'e.3'])
  t.same([first.asked, second.asked], [['GET /v1/events'], ['GET /v1/events e.2']])
})

await t.test(
  'of several controllers another one is asked after one that is silent, from the first time on',
  async t => {
    const dumb = await scripted(t, () => {})
    const second = await scripted(
      t,
      response => stream(response, hello('e.1'), change('e.2')).end(),
      () => {}
    )
    const third = await scripted(t, response => stream(response, hello('e.2'), change('e.3'), goodbye).end())
    const api = await connect({ urls: [dumb.url, second.url, third.url] })
    const { said, ...rest } = options(t)
    t.same(await collect(follow(eventStream(api), { ...rest, openMs: 1000 })), ['e.2', 'e.3'])
    t.same(said, ['the controller is silent', 'again', 'the connection has ended', 'again'])
    t.same(
      [dumb.asked, second.asked, third.asked],
      [['GET /v1/events'], ['GET /v1/events', 'GET /v1/events e.2'], ['GET /v1/events e.2']]
    )
  }
)

await t.test('a controller that is restarted says goodbye, and is asked again', async t => {
  const { api } = await scripted(
    t,
    response => stream(response, hello('e.1'), change('e.2'), frame({ type: 'goodbye', reconnect: true })).end(),
    response =>
      json(
        response,
        { status: 503, code: 'unavailable', detail: 'starting', title: '' },
        503,
        'application/problem+json'
      ),
    response => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>bad gateway</h1>'),
    response => stream(response, hello('e.2'), change('e.3'), goodbye).end()
  )
  t.same(await collect(follow(eventStream(api), options(t))), ['e.2', 'e.3'])
})

await t.test('a cursor that is of no use is told, and followed by what comes', async t => {
  const { api, asked } = await scripted(
    t,
    response =>
      stream(
        response,
        hello('f.7', { resumed: false }),
        frame({ type: 'reset', reason: 'epoch', latest: 'f.7', earliest: 'f.1' })
      ).end(),
    response => stream(response, hello('f.7'), change('f.8'), goodbye).end()
  )
  t.same(await collect(follow(eventStream(api, { from: 'e.1' }), options(t))), ['reset', 'f.8'])
  t.equal(asked[1], 'GET /v1/events?from=e.1 f.7')
})

await t.test('ends where there is nothing more, and for what is refused', async t => {
  const none = await scripted(t, response => response.writeHead(204).end())
  t.same(await collect(follow(requestStream(none.api, 'r'), options(t))), [])
  const refuse = (status: number, code: string) => (response: ServerResponse) =>
    json(response, { status, code, detail: code, title: '' }, status, 'application/problem+json')
  for (const [status, code] of [
    [401, 'unauthorized'],
    [403, 'forbidden'],
    [404, 'not_found']
  ] as const) {
    const revoked = await scripted(
      t,
      response => stream(response, hello('e.1'), change('e.2')).end(),
      refuse(status, code)
    )
    await t.rejects(collect(follow(eventStream(revoked.api), options(t))), { code })
  }
})

await t.test('a first connection that fails is told, unless the controller has answered before', async t => {
  const answers: Answer[] = [
    response => response.destroy(),
    response => stream(response, hello('e.1'), change('e.2'), goodbye).end()
  ]
  const unknown = await scripted(t, ...answers)
  await t.rejects(collect(follow(eventStream(unknown.api), options(t))), {
    exitCode: 3,
    message: /closed the connection/
  })
  const known = await scripted(t, ...answers)
  t.same(await collect(follow(eventStream(known.api), options(t, { isKnown: true }))), ['e.2'])
})

await t.test('patience with a controller that is away has an end', async t => {
  const { api } = await scripted(
    t,
    response => stream(response, hello('e.1')).end(),
    response => response.destroy()
  )
  await t.rejects(collect(follow(eventStream(api), options(t, { patienceMs: 1 }))), {
    exitCode: 3,
    message: /closed the connection/
  })
})

await t.test('ends quietly with the signal, whether there is a connection or not', async t => {
  const open = await scripted(t, response => stream(response, hello('e.1'), change('e.2')))
  const there = options(t)
  for await (const { type } of follow(eventStream(open.api), there)) {
    t.equal(type, 'notify_change')
    there.ending.abort()
  }
  const gone = await scripted(
    t,
    response => stream(response, hello('e.1')).end(),
    response => response.destroy()
  )
  const away = options(t)
  const following = collect(follow(eventStream(gone.api), { ...away, onConnection: () => away.ending.abort() }))
  t.same(await following, [])
})

await t.test('a story leaves out the requests of others, and ends with the response', async t => {
  const of = (type: string, reqid: string) => frame({ type, reqid, cursor: 'e.5', time: 't' })
  const { api } = await scripted(
    t,
    response => response.destroy(),
    response =>
      stream(
        response,
        hello('e.1'),
        change('e.2'),
        of('deploy_response', 'other'),
        of('invented_by_a_newer_one', 'mine'),
        of('deploy_response', 'mine')
      ),
    response => response.destroy(),
    response => json(response, { state: 'pending' }),
    response => json(response, { state: 'a_new_state' })
  )
  const told: string[] = []
  const done = await followed(api, 'mine', {
    ...options(t),
    stream: eventStream(api),
    onEvent: ({ type }) => told.push(type)
  })
  t.match(done, { state: 'a_new_state' })
  t.same(told, ['notify_change', 'invented_by_a_newer_one', 'deploy_response'])
})

await t.test(
  'a request is sent again under the same key when its answer is lost, and waited for when it is not finished',
  async t => {
    const { api, asked, keys } = await scripted(
      t,
      response => response.destroy(),
      response => response.destroy(),
      response => json(response, { reqid: 'r', state: 'pending' }, 202),
      response => response.destroy(),
      response => json(response, { reqid: 'r', state: 'succeeded' })
    )
    const { signal } = options(t)
    const { reqid } = await submit(api, 'restart', { nodes: ['a'] }, { signal, timeout: 5 })
    keys.delete(undefined)
    t.equal(keys.size, 1)
    t.match(await finished(api, reqid, { signal }), { state: 'succeeded' })
    t.same(asked, [
      ...Array(3).fill('POST /v1/requests/restart?timeout=5'),
      ...Array(2).fill('GET /v1/requests/r?wait=30')
    ])
  }
)
