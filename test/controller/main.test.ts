import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import t, { type Test } from 'tap'
import { ask, getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { silent } from '../support/log.js'
import { until } from '../support/until.js'
import { startController } from '../../src/controller/main.js'
import { deployedAgent, fakeAgent, idOfManager, never, small, stateDir } from './fake-agent.js'

const events = async (t: Test, url: string, query = 'from=earliest') => {
  const stream = await openStream(t, `${url}/v1/events?${query}`)
  const { requests } = await getJson(`${url}/v1/requests?limit=1`)
  const { reqid } = await ask(url, 'get_instances')
  const all = await stream.collect(json => json.reqid === reqid)
  return { all: all.slice(0, -1).map(({ json }) => json), stream, requests }
}
const post = async (url: string, type: string, body: object, headers: Record<string, string> = {}, query = '') =>
  await fetch(`${url}/v1/requests/${type}${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body)
  })

await t.test('configurations, history and events survive a restart', async t => {
  const directory = stateDir(t)
  const first = await startTestController(t, { 'management-state-dir': directory })
  await fakeAgent(t, first.settings.controller_port)
  await first.ask('stage_configuration', { config: small('c1') })
  await first.ask('deploy')
  const kept = await Promise.all(
    ['staged', 'deployed'].map(async state => (await getJson(`${first.url}/v1/configurations/${state}`)).configuration)
  )
  const history = (await getJson(`${first.url}/v1/requests`)).requests
  const before = (await events(t, first.url)).all
  await first.close()
  const second = await startTestController(t, { 'management-state-dir': directory })
  t.same(
    await Promise.all(
      ['staged', 'deployed'].map(
        async state => (await getJson(`${second.url}/v1/configurations/${state}`)).configuration
      )
    ),
    kept
  )
  t.same((await getJson(`${second.url}/v1/requests`)).requests.slice(-history.length), history)
  t.same(
    (await events(t, second.url)).all.filter(({ type }) => type !== 'hello').slice(0, before.length - 1),
    before.filter(({ type }) => type !== 'hello')
  )
})

await t.test('a stream resumes over a restart without a gap', async t => {
  const directory = stateDir(t)
  const first = await startTestController(t, { 'management-state-dir': directory })
  const { reqid, event_cursor: cursor } = await first.ask('stage_configuration', { config: small() })
  await first.close()
  const second = await startTestController(t, { 'management-state-dir': directory })
  const stream = await openStream(t, `${second.url}/v1/events`, { 'last-event-id': cursor })
  t.match((await stream.next())?.json, { type: 'hello', cursor, resumed: true })
  t.match((await stream.next())?.json, { type: 'stage_configuration_request', reqid })
  t.match((await stream.next())?.json, { type: 'stage_configuration_response', reqid })
})

await t.test('what is pending when the controller closes is answered interrupted, exactly once', async t => {
  const directory = stateDir(t)
  const first = await startTestController(t, { 'management-state-dir': directory })
  const agent = await deployedAgent(t, first, never)
  const stream = await openStream(t, `${first.url}/v1/events?types=get_id_value_request`)
  await stream.next('hello')
  const answer = post(first.url, 'get_id_value', idOfManager, { prefer: 'wait=30' })
  await agent.question('get_id_value')
  await stream.next()
  const closing = first.close()
  t.match(await (await answer).json(), {
    state: 'interrupted',
    success: false,
    results: [{ success: false, error: 'request interrupted' }]
  })
  await closing
  const second = await startTestController(t, { 'management-state-dir': directory })
  const { all } = await events(t, second.url, 'from=earliest&types=get_id_value_response,get_instances_request')
  t.same(
    all.flatMap(({ state }) => state ?? []),
    ['interrupted']
  )
})

await t.test('a deployment that was interrupted goes on when the agents come back', async t => {
  const directory = stateDir(t)
  const first = await startTestController(t, { 'management-state-dir': directory })
  const agent = await fakeAgent(t, first.settings.controller_port, { handlers: { deploy: never } })
  await first.ask('stage_configuration', { config: small('c1') })
  const deploying = first.ask('deploy')
  await agent.question('deploy')
  await first.close()
  t.equal((await deploying).state, 'interrupted')
  const second = await startTestController(t, { 'management-state-dir': directory })
  t.equal(second.controller.deployed()?.id, 'c1')
  const back = await fakeAgent(t, second.settings.controller_port)
  t.equal((await back.question('deploy')).share.config_id, 'c1')
  t.equal((await second.ask('deploy')).state, 'succeeded')
})

await t.test('a port that is taken stops the start with the name of the setting', async t => {
  const { settings } = await startTestController(t)
  const other = (more: object) =>
    startController({ settings: { ...settings, management_state_dir: t.testdir(), ...more }, log: silent })
  await t.rejects(other({}), { code: 'unavailable', message: /^controller_websocket_port: / })
})

await t.test('nothing is accepted once the controller closes', async t => {
  const { controller, close } = await startTestController(t)
  const closing = close()
  await t.rejects(controller.request('get_instances', {}), { code: 'unavailable' })
  await closing
})

const wait = async (url: string, type: string, body: object) =>
  (await (await post(url, type, body, { prefer: 'wait=30' })).json()) as any

await t.test('a client that waits for work which heeds its signal is told that it was interrupted', async t => {
  const { url, close } = await startTestController(t)
  const stream = await openStream(t, `${url}/v1/events?types=test_timeout_request`)
  await stream.next('hello')
  const waiting = wait(url, 'test_timeout', { with_state: true })
  await stream.next()
  await close()
  t.equal((await waiting).state, 'interrupted')
})

await t.test('requests that were refused do not make the server forget those who wait', async t => {
  const controller = await startTestController(t)
  const { url, close, settings } = controller
  const agent = await deployedAgent(t, controller, never)
  for (let n = 0; n < 3; n++) {
    const refused = httpRequest({
      port: settings.controller_websocket_port,
      path: '/healthz',
      headers: { host: 'evil.example' },
      agent: false
    }).end()
    const [response] = await once(refused, 'response')
    response.resume()
    await once(response, 'end')
  }
  const waiting = Promise.all([1, 2].map(() => wait(url, 'get_id_value', idOfManager)))
  await agent.question('get_id_value')
  await until(() => agent.count('get_id_value') === 2, 'both are asked')
  const closing = close()
  const states = await waiting.then(
    all => all.map(({ state }) => state),
    error => `cut off: ${error}`
  )
  await closing
  t.same(states, ['interrupted', 'interrupted'])
})

await t.test('events of reads do not push out those of changes', async t => {
  const { ask, controller, url } = await startTestController(t, {
    'controller-events-max-count': '60',
    'controller-events-max-reads': '10'
  })
  for (let n = 0; n < 10; n++) await ask('stage_configuration', { config: small() })
  await Promise.all(Array.from({ length: 40 }, () => ask('get_instances')))
  const readEarliest = async () => {
    const stream = await openStream(
      t,
      `${url}/v1/events?from=earliest&types=stage_configuration_request,stage_configuration_response,test_timeout_request`
    )
    const { reqid } = (await controller.request('test_timeout', {}, { timeout: 60 })).request
    const events = await stream.collect(json => json.reqid === reqid)
    stream.close()
    return events.filter(({ json }) => /^stage/.test(json.type)).length
  }
  const reads = () => controller.hub.startAt('earliest').seq
  t.equal(reads(), 0)
  // Until something was dropped: reads of 80 events are far more than the 10 that may stay.
  // Their requests go right after their events.
  const kept = () => controller.listRequests({ type: 'get_instances', limit: 40 }).requests.map(({ reqid }) => reqid)
  const oldest = kept().at(-1)!
  await until(() => !kept().includes(oldest), 'reads are dropped')
  t.equal(await readEarliest(), 20)
})
