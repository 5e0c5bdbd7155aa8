import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { answerOf, getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'

const header = '#fields\tindicator\tindicator_type\tmeta.source\n'
const feedOf = (...addresses: string[]) => header + addresses.map(one => `${one}\tIntel::ADDR\ttest\n`).join('')

await t.test('feeds of intelligence are set while nodes run', async whole => {
  const t = whole
  const { url, settings, ask, controller } = await startTestController(t)
  const first = await startTestAgent(t, 'sensor-1', settings.controller_port)
  await startTestAgent(t, 'sensor-2', settings.controller_port)
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 2, 'both are connected')
  const put = async (feed: string, body: string, headers: Record<string, string> = {}) =>
    await answerOf(
      await fetch(`${url}/v1/intel/${feed}`, { method: 'PUT', headers: { prefer: 'wait=30', ...headers }, body })
    )
  const unset = async (feed: string) =>
    await answerOf(await fetch(`${url}/v1/intel/${feed}`, { method: 'DELETE', headers: { prefer: 'wait=30' } }))
  const known = async () => {
    const { results } = await ask('get_id_value', { id: 'Intel::min_data_store', nodes: ['manager'] })
    return results[0]!.data === undefined ? undefined : JSON.parse(results[0]!.data.value!).host_data
  }
  const pid = async () => (await getJson(`${url}/v1/nodes?role=MANAGER`)).nodes[0].pid
  const bundles = async () => (await getJson(`${url}/v1/bundles`)).bundles
  const share = () => JSON.parse(readFileSync(join(first.settings.management_state_dir, 'agent.json'), 'utf8'))

  t.match((await put('tor', feedOf('192.0.2.1'))).json, {
    state: 'failed',
    results: [{ error: 'no active cluster deployment' }]
  })
  t.same(await bundles(), [], 'what was refused is not kept')
  t.equal((await ask('stage_configuration', { config: configurationOf(['sensor-1', 'sensor-2']) })).state, 'succeeded')
  const deployed = await ask('deploy')
  t.equal(deployed.state, 'succeeded', JSON.stringify(deployed.results))
  const before = await pid()

  await t.test('the manager has read it, and is the same process', async t => {
    const { status, json } = await put('tor', feedOf('192.0.2.1', '192.0.2.2'))
    t.match([status, json.type, json.state], [200, 'set_intel', 'succeeded'], JSON.stringify(json.results))
    t.match(json.results, [{ node: 'manager', instance: 'sensor-1', success: true, data: { value: '2' } }])
    t.equal(json.results.length, 1)
    t.same(await known(), ['192.0.2.1', '192.0.2.2'])
    t.equal(await pid(), before)
    const { feeds } = await getJson(`${url}/v1/intel`)
    t.match(feeds, [{ name: 'tor', indicators: 2, size: feedOf('192.0.2.1', '192.0.2.2').length, reqid: json.reqid }])
    t.equal(await (await fetch(`${url}/v1/intel/tor`)).text(), feedOf('192.0.2.1', '192.0.2.2'))
    t.match(await bundles(), [{ id: feeds[0].bundle, used_by: ['intel'], files: 1 }])
  })

  await t.test('another file takes its place: what it has no more is removed, unless another feed has it', async t => {
    t.equal((await put('partner', feedOf('192.0.2.2', '198.51.100.7'))).json.state, 'succeeded')
    t.same(await known(), ['192.0.2.1', '192.0.2.2', '198.51.100.7'])
    t.equal((await put('tor', feedOf('192.0.2.3'))).json.state, 'succeeded')
    t.same((await known()).sort(), ['192.0.2.2', '192.0.2.3', '198.51.100.7'])
    t.equal((await bundles()).length, 2, 'the file of before is gone')
    t.equal(await pid(), before)
  })

  await t.test('a file with a fault changes nothing', async t => {
    const kept = await bundles()
    t.match(await put('tor', feedOf('192.0.2.3', 'not-an-address')), {
      status: 400,
      json: { errors: [{ field: 'body/line 3', message: "'not-an-address' is no address" }] }
    })
    t.match(await put('tor', ''), { status: 400 })
    t.same(await bundles(), kept)
    const { json } = await put('tor', `${header}x\tIntel::NO_SUCH\ttest\n`)
    t.match(json, {
      state: 'failed',
      results: [{ node: 'manager', error: /^tor, line 2: Value 'Intel::NO_SUCH' for stream .* is not a valid enum\.$/ }]
    })
    t.same((await known()).sort(), ['192.0.2.2', '192.0.2.3', '198.51.100.7'])
    t.same(
      share().feeds.map(({ name }: any) => name),
      ['partner', 'tor']
    )
    t.match(await put('two words', header), { status: 400, json: { errors: [{ field: 'params/feed' }] } })
    t.match(await ask('set_intel', { name: 'x', bundle: 'none' }), { results: [{ error: 'there is no bundle none' }] })
    t.equal((await getJson(`${url}/v1/intel`)).feeds.length, 2)
    t.equal((await bundles()).length, 2, 'what was refused is not kept')
  })

  await t.test('a bundle of a feed is not deleted', async t => {
    const [{ id }] = await bundles()
    const { status, json } = await answerOf(await fetch(`${url}/v1/bundles/${id}`, { method: 'DELETE' }))
    t.match([status, json.detail], [409, 'a feed of intelligence is this bundle'])
  })

  await t.test('a change while the manager does not run is refused', async t => {
    await ask('stop', { nodes: ['manager'] })
    t.match((await put('tor', feedOf('192.0.2.9'))).json, {
      state: 'failed',
      results: [{ error: /^no manager runs that/ }]
    })
    await ask('start', { nodes: ['manager'] })
    await until(async () => (await known())?.length === 3, 'it has what it had')
  })

  await t.test('two at a time: one is done, and what is listed is what the manager knows', async t => {
    const answers = await Promise.all(['192.0.2.4', '192.0.2.5'].map(async one => await put('tor', feedOf(one))))
    t.ok(answers.some(({ json }) => json.state === 'succeeded'))
    const text = await (await fetch(`${url}/v1/intel/tor`)).text()
    t.ok((await known()).includes(text.trim().split('\n')[1]!.split('\t')[0]))
  })

  await t.test('it outlives the manager, deployments, and the agent', async t => {
    await ask('restart', { nodes: ['manager'] })
    await until(async () => (await known())?.length === 3, 'a restarted manager has read them')
    t.equal((await ask('deploy', { force: true })).state, 'succeeded')
    await until(async () => (await known())?.length === 3, 'a deployed one, too')
    const again = await pid()
    await first.close()
    await until(async () => !(await getJson(`${url}/v1/instances`)).instances[0].connected, 'the agent is away')
    t.match((await put('tor', feedOf('192.0.2.9'))).json, {
      state: 'failed',
      results: [{ error: 'no instances connected' }]
    })
    const stream = await openStream(t, `${url}/v1/events?types=notify_agent_hello`)
    await stream.next('hello')
    await startTestAgent(whole, 'sensor-1', settings.controller_port, {}, first.settings.management_state_dir)
    await until(async () => (await known())?.length === 3, 'it is as before')
    t.equal(await pid(), again)
    stream.close()
  })

  await t.test('unset, nothing of it is left', async t => {
    for (const feed of ['tor', 'partner']) {
      const { json } = await unset(feed)
      t.equal(json.state, 'succeeded', JSON.stringify(json.results))
    }
    t.same(await known(), [])
    t.same(controller.feeds(), [])
    t.equal((await fetch(`${url}/v1/intel/tor`)).status, 404)
    t.match((await unset('tor')).json, { state: 'failed', results: [{ error: 'feed tor is not set' }] })
    t.same(await bundles(), [])
  })
})
