import t from 'tap'
import { ConfigurationTable } from '../../src/store/configurations.js'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { deployedAgent, idOfManager, never, stateDir } from './fake-agent.js'

const wait = (url: string, type: string, body: object) =>
  fetch(`${url}/v1/requests/${type}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: JSON.stringify(body)
  }).then(response => response.json() as any)

// The hub ends its followers without a last look at the log, whose bell has not rung yet.
await t.test('the last responses are told on the streams before goodbye', async t => {
  const controller = await startTestController(t)
  const { url, close } = controller
  const agent = await deployedAgent(t, controller, never)
  const stream = await openStream(t, `${url}/v1/events?types=get_id_value_request,get_id_value_response`)
  const waiting = wait(url, 'get_id_value', idOfManager)
  await agent.question('get_id_value')
  await stream.next('get_id_value_request')
  await close()
  await waiting
  t.same(
    (await stream.collect()).map(({ json }) => json.type),
    ['get_id_value_response', 'goodbye']
  )
})

/** How often the server's patience with what does not end (2 s) was used up while something was done. */
async function impatience(job: () => Promise<void>): Promise<number> {
  const original = globalThis.setTimeout
  let count = 0
  globalThis.setTimeout = ((callback: () => void, ms: number) =>
    original(() => {
      if (ms === 2000) count++
      callback()
    }, ms)) as typeof setTimeout
  await job()
  globalThis.setTimeout = original
  return count
}

// onResponse does not fire for a hijacked response whose client has gone, so `open` never gets back to 0.
await t.test('closing does not wait for streams whose readers have left', async t => {
  const { url, close, controller } = await startTestController(t)
  const stream = await openStream(t, `${url}/v1/events`)
  await stream.next('hello')
  stream.close()
  await until(() => controller.hub.size === 0, 'it has left')
  t.equal(await impatience(close), 0)
})

// Requests.close() does not wait for those that are just being written down: their interruption comes when the store is
// closed ("database is not open", which is no AppError).
await t.test(
  'a request that comes in the tick in which the controller closes is refused or answered, exactly once',
  async t => {
    const directory = stateDir(t)
    const first = await startTestController(t, { 'management-state-dir': directory })
    const accepted = Promise.allSettled([
      first.controller.request('test_timeout', { with_state: true }),
      first.controller.request('get_instances', {})
    ])
    await Promise.all([accepted, first.close()])
    for (const outcome of await accepted) {
      if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'unavailable' })
    }
    const second = await startTestController(t, { 'management-state-dir': directory })
    const stream = await openStream(t, `${second.url}/v1/events?from=earliest`)
    const { reqid } = await second.ask('get_configuration')
    const events = await stream.collect(json => json.reqid === reqid)
    t.same(second.controller.listRequests({ state: 'pending', limit: 10 }).requests, [])
    const count = (type: RegExp) => events.filter(({ json }) => json.reqid !== reqid && type.test(json.type)).length
    t.equal(count(/_response$/), count(/_request$/))
  }
)

// Each request asks what is deployed, for its timeout.
await t.test('what is asked of the deployment does not read the staged configuration', async t => {
  const controller = await startTestController(t)
  await deployedAgent(t, controller, () => [])
  const { get } = Object.getOwnPropertyDescriptor(ConfigurationTable.prototype, 'staged')!
  let count = 0
  Object.defineProperty(ConfigurationTable.prototype, 'staged', {
    configurable: true,
    get() {
      count++
      return get!.call(this)
    }
  })
  t.teardown(() => Object.defineProperty(ConfigurationTable.prototype, 'staged', { configurable: true, get: get! }))
  await wait(controller.url, 'get_nodes', {})
  await wait(controller.url, 'get_id_value', idOfManager)
  await fetch(`${controller.url}/v1/configurations/deployed`)
  t.equal(count, 0)
  await fetch(`${controller.url}/v1/configurations/staged`)
  t.not(count, 0)
})
