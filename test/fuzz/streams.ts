import assert from 'node:assert/strict'
import { createParser } from 'eventsource-parser'
import fc from 'fast-check'
import type { Test } from 'tap'
import { Problem } from '../../schemas/api.js'
import { ClusterEvent, domainEventTypes } from '../../schemas/events.js'
import { checker } from '../../schemas/validator.js'
import { invalid } from '../../src/errors.js'
import { ask } from '../support/client.js'
import { anyName, nasty } from '../support/nasty.js'

const checkEvent = checker(ClusterEvent, invalid)
const checkProblem = checker(Problem, invalid)
/** What a header can carry. */
const headerText = nasty.filter(text => /^[\x20-\x7e]*$/.test(text)).map(text => text.trim())

/** Streams do not end: opens each with anything as its parameters, reads its first event, and leaves. */
export async function anyStream(t: Test, url: string, cases: number): Promise<void> {
  const { reqid, event_cursor: cursor } = await ask(url, 'get_instances')
  const [epoch, seq] = cursor.split('.') as [string, string]
  const place = fc.oneof(
    fc.constantFrom(
      'latest',
      'earliest',
      cursor,
      reqid,
      `${epoch}.0`,
      `${epoch}.${Number(seq) + 1000}`,
      `other.${seq}`,
      `${epoch}.9007199254740993`
    )
  )
  const path = fc.oneof(
    { weight: 3, arbitrary: fc.constant('/v1/events') },
    fc.constant('/v1/audit/events'),
    fc.constant(`/v1/requests/${reqid}/events`),
    nasty.map(id => `/v1/requests/${encodeURIComponent(Buffer.from(id).toString())}/events`)
  )
  const sound = fc.record(
    {
      types: fc.subarray(domainEventTypes, { minLength: 1 }).map(types => types.join(',')),
      reqid: fc.constant(reqid),
      instance: anyName,
      node: anyName,
      snapshot: fc.constantFrom('true', 'false'),
      from: place,
      last_event_id: place
    },
    { requiredKeys: [] }
  )
  const names = ['types', 'reqid', 'instance', 'node', 'snapshot', 'from', 'last_event_id', 'other']
  const query: fc.Arbitrary<Record<string, string>> = fc.oneof(
    sound,
    fc.tuple(sound, fc.constantFrom(...names), nasty).map(([query, name, text]) => ({ ...query, [name]: text }))
  )
  const headers = fc.record(
    {
      accept: fc.oneof(
        {
          weight: 4,
          arbitrary: fc.constantFrom('*/*', 'text/event-stream', 'application/x-ndjson', 'text/html, */*;q=0.1')
        },
        headerText
      ),
      'last-event-id': fc.oneof(headerText, place)
    },
    { requiredKeys: [] }
  )
  const statuses = new Map<number, number>()
  await fc.assert(
    fc.asyncProperty(path, query, headers, async (path, query, headers) => {
      const leave = new AbortController()
      try {
        const parameters = new URLSearchParams(
          Object.entries(query).map(([name, value]): [string, string] => [name, Buffer.from(value).toString()])
        )
        const response = await fetch(`${url}${path}?${parameters}`, {
          headers: headers as Record<string, string>,
          signal: AbortSignal.any([leave.signal, AbortSignal.timeout(20_000)])
        })
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
        const type = response.headers.get('content-type') ?? ''
        if (response.status === 204) return
        if (response.status !== 200) {
          assert.ok(response.status >= 400 && response.status < 500, `${response.status}`)
          assert.match(type, /^application\/problem\+json/)
          const problem = await response.json()
          checkProblem(problem, 'problem')
          assert.equal((problem as Problem).status, response.status)
          return
        }
        const first = await firstEvent(response, type)
        checkEvent(first, 'event')
        assert.equal((first as { type: string }).type, 'hello')
      } finally {
        leave.abort()
      }
    }),
    { numRuns: cases }
  )
  t.comment(`answers by status: ${JSON.stringify(Object.fromEntries([...statuses].sort()))}`)
  t.ok(statuses.get(200)! > 0 && statuses.get(400)! > 0, 'some were streams, some refused')
}

async function firstEvent(response: Response, type: string): Promise<unknown> {
  const found: unknown[] = []
  const parser = createParser({ onEvent: ({ data }) => found.push(JSON.parse(data)) })
  let text = ''
  for await (const chunk of response.body!.pipeThrough(
    new TextDecoderStream() as any
  ) as unknown as AsyncIterable<string>) {
    text += chunk
    if (/^text\/event-stream; charset=utf-8$/.test(type)) parser.feed(chunk)
    else {
      assert.equal(type, 'application/x-ndjson')
      if (text.includes('\n')) found.push(JSON.parse(text.slice(0, text.indexOf('\n'))))
    }
    if (found.length > 0) return found[0]
  }
  throw new Error(`the stream ended before its first event: ${text}`)
}
