import t from 'tap'
import { EventList } from '../../schemas/events.js'
import { checker } from '../../schemas/validator.js'
import { deployedAgent } from '../controller/fake-agent.js'
import { answerOf, getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'

const check = checker(EventList, errors => new Error(JSON.stringify(errors)))

const { url, ask, agent } = await (async () => {
  const controller = await startTestController(t)
  return { ...controller, agent: await deployedAgent(t, controller, () => []) }
})()
await ask('restart', { nodes: ['worker-1'] })
agent.change('worker-1', 'RUNNING', 'CRASHED', 'killed by SIGKILL')
await agent.close()
const list = async (query = '') => {
  const { status, json } = await answerOf(await fetch(`${url}/v1/events/history${query}`))
  t.equal(status, 200, query)
  t.doesNotThrow(() => check(json, 'answer'), query)
  return json
}
/** What a stream tells from the start to now. */
const streamed = async (query = '') => {
  const stream = await openStream(t, `${url}/v1/events?from=earliest${query}`)
  const { event_cursor: end } = await getJson(`${url}/v1/nodes`)
  await ask('get_instances')
  const all = await stream.collect(({ type }) => type === 'get_instances_response')
  stream.close()
  const number = (cursor: string) => Number(cursor.split('.')[1])
  return all
    .filter(({ event, json }) => event === undefined && number(json.cursor) <= number(end))
    .map(({ json }) => json)
}

await t.test('the events are those of a stream, newest first', async t => {
  const expected = (await streamed()).reverse()
  const { events } = await list()
  t.ok(expected.length > 6)
  t.same(events.slice(-expected.length), expected)
})

await t.test('pages follow each other without a gap', async t => {
  const { events: all, event_cursor: head } = await list()
  t.equal(all[0].cursor, head)
  const pages = []
  for (let next: string | undefined = ''; next !== undefined;) {
    const page: any = await list(`?limit=3${next && `&after=${next}`}`)
    pages.push(...page.events)
    next = page.next
  }
  t.same(pages, all)
})

await t.test('each parameter keeps what fits it, several keep what fits all', async t => {
  const { events: all } = await list()
  const { reqid } = all.find(({ type }: any) => type === 'restart_request')
  for (const [query, fits] of [
    ['types=notify_change', ({ type }: any) => type === 'notify_change'],
    ['types=notify_change,restart_response', ({ type }: any) => /^(notify_change|restart_response)$/.test(type)],
    ['types=notify_change&types=restart_response', ({ type }: any) => /^(notify_change|restart_response)$/.test(type)],
    [`reqid=${reqid}`, (event: any) => event.reqid === reqid],
    ['instance=agent-a', ({ instance }: any) => instance === 'agent-a'],
    ['node=worker-1', ({ node }: any) => node === 'worker-1'],
    [
      `reqid=${reqid}&types=restart_response`,
      (event: any) => event.reqid === reqid && event.type === 'restart_response'
    ],
    ['reqid=nobody', () => false]
  ] as const) {
    const { events, next } = await list(`?${query}`)
    t.same([events, next], [all.filter(fits), undefined], query)
    t.equal(events.length > 0, query !== 'reqid=nobody', query)
  }
})

await t.test('what is wrong is refused by its name', async t => {
  const { event_cursor: cursor } = await list()
  for (const [query, field] of [
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['types=nothing', 'types'],
    ['types=', 'types'],
    ['types=heartbeat', 'types'],
    [`types=${Array(700).fill('notify_change').join()}`, 'types'],
    ['node=-', 'node'],
    ['reqid=%00', 'reqid'],
    ['after=nonsense', 'after'],
    [`after=zzz.${cursor.split('.')[1]}`, 'after'],
    ['after=%0a', 'after'],
    ['from=earliest', 'from'],
    ['limit=5&limit=6', 'limit']
  ] as const) {
    const { status, json } = await answerOf(await fetch(`${url}/v1/events/history?${query}`))
    t.match(
      [status, json],
      [400, { code: 'invalid_request', errors: [{ field: `querystring/${field}` }] }],
      query.slice(0, 40)
    )
  }
})

await t.test('a place that is not kept, or not reached, is no mistake', async t => {
  const { events, event_cursor: cursor } = await list()
  const [epoch] = cursor.split('.')
  t.match(await list(`?after=${epoch}.0`), { events: [], next: undefined })
  t.same((await list(`?after=${epoch}.${Number.MAX_SAFE_INTEGER}`)).events, events)
})
