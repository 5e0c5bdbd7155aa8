import t from 'tap'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { fakeAgent, never, small } from '../controller/fake-agent.js'

const seqOf = (cursor: string) => Number(cursor.split('.')[1])

// The cursor of the request's beginning was read before the future cursor made a new epoch, so it is of another one.
await t.test('a cursor from the future does not keep the story of a request from being told', async t => {
  const { url, ask, controller } = await startTestController(t)
  const { reqid } = await ask('stage_configuration', { config: small() })
  const [epoch, seq] = controller.cursor.split('.')
  const response = await fetch(`${url}/v1/requests/${reqid}/events`, {
    headers: { 'last-event-id': `${epoch}.${Number(seq) + 5}`, accept: 'application/x-ndjson' }
  })
  t.equal(response.status, 200)
  const types = (await response.text())
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line).type)
  t.same(types, ['hello', 'reset', 'stage_configuration_request', 'stage_configuration_response', 'goodbye'])
})

// With a snapshot the stream starts at the moment of the state, not at the cursor that was asked for.
await t.test('a stream that starts with a snapshot does not claim to go on from a cursor', async t => {
  const { url, ask } = await startTestController(t)
  const { event_cursor: cursor } = await ask('stage_configuration', { config: small() })
  const stream = await openStream(t, `${url}/v1/events?snapshot=true`, { 'last-event-id': cursor })
  const hello = (await stream.next())?.json
  t.not(hello.cursor, cursor)
  t.equal(hello.resumed, false)
})

await t.test('the header Zeek-Event-Cursor says where the stream starts', async t => {
  const { url, ask } = await startTestController(t)
  await ask('stage_configuration', { config: small() })
  const stream = await openStream(t, `${url}/v1/events?from=earliest`)
  t.equal(stream.response.headers.get('zeek-event-cursor'), (await stream.next())?.json.cursor)
})

// The beginning of its story is expired, so the stream starts at the head, and there it seems to be over.
await t.test('what is still kept of a request is told, even when its beginning is not', async t => {
  const { url, ask, settings, controller } = await startTestController(t, { 'controller-events-max-count': '6' })
  const agent = await fakeAgent(t, settings.controller_port, { handlers: { restart: never } })
  await ask('stage_configuration', { config: small() })
  await ask('deploy')
  const restarting = ask('restart', {}, '?timeout=30')
  restarting.catch(() => {})
  await agent.question('restart')
  const { reqid, event_cursor: beginning } = (await getJson(`${url}/v1/requests?type=restart`)).requests[0]
  for (let n = 0; n < 6; n++) await ask('stage_configuration', { config: small() })
  await until(() => controller.hub.startAt(beginning).reset === 'expired', 'its beginning is dropped')
  await agent.close()
  await restarting
  const response = await fetch(`${url}/v1/requests/${reqid}/events`, { headers: { accept: 'application/x-ndjson' } })
  t.equal(response.status, 200)
  t.match(await response.text(), /restart_response/)
  t.ok(seqOf(controller.cursor) > 6)
})
