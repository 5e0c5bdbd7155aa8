import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { answerOf, getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'

const sensors = ['sensor-1', 'sensor-2', 'sensor-3'] as const
const name = 'Site::local_nets'
const all = ['logger-1', 'manager', 'worker-1', 'worker-2']

await t.test('options are set while nodes run', async t => {
  const first = await startTestController(t)
  const { url, settings, ask } = first
  const agents = await Promise.all(sensors.map(async name => await startTestAgent(t, name, settings.controller_port)))
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 3, 'all are connected')
  const put = async (option: string, value: unknown, at = url) =>
    await answerOf(
      await fetch(`${at}/v1/options/${option}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json', prefer: 'wait=30' },
        body: JSON.stringify({ value })
      })
    )
  const unset = async (option: string) =>
    await answerOf(await fetch(`${url}/v1/options/${option}`, { method: 'DELETE', headers: { prefer: 'wait=30' } }))
  const valueOf = async (id: string, nodes?: string[]) =>
    Object.fromEntries(
      (await ask('get_id_value', { id, ...(nodes ? { nodes } : {}) })).results.map(({ node, data }) => [
        node,
        data?.value === undefined ? undefined : JSON.parse(data.value)
      ])
    )
  const everywhere = (value: unknown) => Object.fromEntries(all.map(node => [node, value]))
  const pids = async () =>
    Object.fromEntries(
      (await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)).nodes.map(
        ({ node, pid }: { node: string; pid: number }) => [node, pid]
      )
    )

  t.match((await put(name, '10.0.0.0/8')).json, {
    state: 'failed',
    results: [{ error: 'no active cluster deployment' }]
  })
  t.equal((await ask('stage_configuration', { config: configurationOf(sensors) })).state, 'succeeded')
  t.equal((await ask('deploy')).state, 'succeeded')
  const before = await pids()

  await t.test('every node has the value, and no process is another', async t => {
    const { status, json } = await put(name, '10.0.0.0/8,192.168.0.0/16')
    t.match([status, json.type, json.state], [200, 'set_option', 'succeeded'], JSON.stringify(json.results))
    t.same(json.results.map(({ node }: any) => node).sort(), all)
    for (const { data } of json.results) t.same(JSON.parse(data.value), ['10.0.0.0/8', '192.168.0.0/16'])
    t.same(await valueOf(name), everywhere(['10.0.0.0/8', '192.168.0.0/16']))
    t.same(await pids(), before)
    t.match(await getJson(`${url}/v1/options`), {
      options: [{ name, value: '10.0.0.0/8,192.168.0.0/16', reqid: json.reqid }]
    })
  })

  await t.test("a wrong value changes nothing, and is told in Zeek's words", async t => {
    const { json } = await put(name, '10.0.0.0/8,notasubnet')
    t.equal(json.state, 'failed')
    t.same(json.results.map(({ node }: any) => node).sort(), all)
    for (const { error } of json.results) {
      t.match(error, /Could not convert line 'Site::local_nets 10.0.0.0\/8,notasubnet' to value/)
    }
    t.match((await put('HTTP::max_files_orig', '7x')).json.results, [{ error: /trailing characters/ }])
    for (const unknown of ['Notice::mail_dest', 'No::such']) {
      t.match((await put(unknown, 'x')).json, {
        state: 'failed',
        results: [{ error: `no running node has an option ${unknown}` }]
      })
    }
    t.match((await put('FTP::cmd_reply_code', 'x')).json.results, [{ error: /is not supported for file input/ }])
    t.same(await valueOf(name), everywhere(['10.0.0.0/8', '192.168.0.0/16']))
    t.same(await valueOf('HTTP::max_files_orig'), everywhere(15))
    t.equal((await getJson(`${url}/v1/options`)).options.length, 1)
    for (const bad of ['two\nlines', ' blank', 'x'.repeat(9000), 7]) {
      t.match(await put(name, bad), { status: 400, json: { errors: [{ field: 'body/value' }] } })
    }
    t.match(await put('not an option', 'x'), { status: 400, json: { errors: [{ field: 'params/name' }] } })
  })

  await t.test('a node that is started later has it, too, and one that is stopped gets it then', async t => {
    await ask('stop', { nodes: ['worker-2'] })
    const { json } = await put('HTTP::max_files_orig', '20')
    t.equal(json.state, 'succeeded')
    t.notOk(json.results.find(({ node }: any) => node === 'worker-2').data?.value)
    await ask('restart', { nodes: ['worker-1'] })
    await ask('start', { nodes: ['worker-2'] })
    const told = async () => await valueOf('HTTP::max_files_orig', ['worker-1', 'worker-2'])
    await until(async () => Object.values(await told()).every(value => value === 20), 'both have it')
    t.same(await valueOf(name, ['worker-2']), { 'worker-2': ['10.0.0.0/8', '192.168.0.0/16'] })
  })

  await t.test('it outlives deployments, agents and the controller', async t => {
    await ask('deploy', { force: true })
    await until(
      async () => Object.values(await valueOf('HTTP::max_files_orig')).every(value => value === 20),
      'all have it'
    )
    const share = JSON.parse(readFileSync(join(agents[0]!.settings.management_state_dir, 'agent.json'), 'utf8'))
    t.same(share.options, [
      { name: 'HTTP::max_files_orig', value: '20' },
      { name, value: '10.0.0.0/8,192.168.0.0/16' }
    ])
  })

  await t.test('unset, it is what the scripts make it', async t => {
    const { json } = await unset('HTTP::max_files_orig')
    t.equal(json.state, 'succeeded', JSON.stringify(json.results))
    for (const { data } of json.results) t.equal(data.value, '15')
    t.same(await valueOf('HTTP::max_files_orig'), everywhere(15))
    t.match((await unset('HTTP::max_files_orig')).json, {
      state: 'failed',
      results: [{ error: 'option HTTP::max_files_orig is not set' }]
    })
    t.same(
      (await getJson(`${url}/v1/options`)).options.map((option: any) => option.name),
      [name]
    )
  })

  await t.test('one change at a time: another one, and a deployment, is refused meanwhile', async t => {
    const answers = await Promise.all(['1', '2', '3'].map(async value => await put('HTTP::max_files_orig', value)))
    const done = answers.filter(({ json }) => json.state === 'succeeded')
    t.ok(done.length >= 1)
    for (const { json } of answers.filter(one => !done.includes(one))) {
      t.match(json.results, [{ error: /^earlier deployment .* still pending$/ }])
    }
    const values = new Set(Object.values(await valueOf('HTTP::max_files_orig')))
    t.equal(values.size, 1, 'all nodes have the same')
    t.equal(String([...values][0]), (await getJson(`${url}/v1/options`)).options[0].value)
  })

  await t.test('an instance that was away has it when it is back', async t => {
    await agents[2]!.close()
    await until(async () => !(await getJson(`${url}/v1/instances`)).instances[2].connected, 'it is away')
    const { json } = await put(name, '172.16.0.0/12')
    t.equal(json.state, 'partial')
    t.match(
      json.results.find(({ success }: any) => !success),
      { instance: 'sensor-3', error: 'instance sensor-3 is not connected: it is told when it connects' }
    )
    const stream = await openStream(t, `${url}/v1/events?types=notify_agent_hello`)
    await stream.next('hello')
    await startTestAgent(t, 'sensor-3', settings.controller_port, {}, agents[2]!.settings.management_state_dir)
    await until(async () => (await valueOf(name, ['worker-2']))['worker-2']?.[0] === '172.16.0.0/12', 'it has it')
    stream.close()
  })

  await t.test('what is secret by its name is in no event and no list of requests', async t => {
    const stream = await openStream(t, `${url}/v1/events?types=set_option_request,set_option_response`)
    await stream.next('hello')
    await put('Demo::api_token', 'swordfish')
    const events = await stream.collect(({ type }) => type === 'set_option_response')
    t.notMatch(JSON.stringify(events.map(({ json }) => json)), 'swordfish')
    t.notMatch(JSON.stringify(await getJson(`${url}/v1/requests?type=set_option`)), 'swordfish')
    stream.close()
  })
})
