import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import t, { type Test } from 'tap'
import { startTestController } from '../support/controller.js'
import { fixture } from '../support/environment.js'

const recorded = readFileSync(fixture('zeek', 'cluster.cfg'), 'utf8')

/** For tests that mind nothing that others leave behind. */
const shared = await startTestController(t)

async function open(t: Test, { fresh = false } = {}) {
  const { url } = fresh ? await startTestController(t) : shared
  const stage = async (text: string, type = 'text/x-ini') => {
    const response = await fetch(`${url}/v1/requests/stage_configuration`, {
      method: 'POST',
      headers: { 'content-type': type, prefer: 'wait=10' },
      body: text
    })
    return { status: response.status, body: (await response.json()) as any }
  }
  const show = async (accept: string, state = 'staged') => {
    const response = await fetch(`${url}/v1/configurations/${state}`, { headers: { accept } })
    return {
      type: response.headers.get('content-type'),
      vary: response.headers.get('vary'),
      text: await response.text()
    }
  }
  return { url, stage, show }
}

await t.test("zeek-client's file is staged as its JSON would be, under each type that it may have", async t => {
  const { url, stage } = await open(t)
  for (const type of ['text/x-ini', 'text/plain', 'text/plain; charset=utf-8']) {
    const { status, body } = await stage(recorded, type)
    t.equal(status, 200, type)
    t.match(body, { state: 'succeeded', arguments: { config: { instances: [{ name: 'agent-testbox' }] } } })
    const { configuration } = (await (await fetch(`${url}/v1/configurations/staged`)).json()) as any
    t.same(
      configuration.nodes.find(({ name }: { name: string }) => name === 'worker-01'),
      {
        name: 'worker-01',
        instance: 'agent-testbox',
        role: 'WORKER',
        interface: 'lo',
        cpu_affinity: 1,
        scripts: ['policy/tuning/json-logs'],
        env: { FOO: 'BAR', MSG: 'hello world' }
      }
    )
  }
})

await t.test('a configuration is shown as that file to who asks for it, and can be staged again', async t => {
  const { stage, show } = await open(t)
  await stage(recorded)
  const file = await show('text/x-ini')
  t.match(file, {
    type: 'text/x-ini; charset=utf-8',
    vary: 'Accept',
    text: '[worker-01]\ninstance = agent-testbox\nrole = WORKER\nscripts = policy/tuning/json-logs\n'
  })
  t.same(await show('text/plain'), { ...file, type: 'text/plain; charset=utf-8' })
  t.equal((await stage(file.text)).body.state, 'succeeded')
  t.same((await show('text/x-ini')).text, file.text)
  t.match((await show('text/x-ini', 'ready')).text, 'port = ')
})

await t.test('whoever does not ask for the file first gets JSON', async t => {
  const { stage, show } = await open(t)
  await stage(recorded)
  for (const accept of ['*/*', 'application/json', 'application/json, text/plain', 'text/html']) {
    t.match(await show(accept), { type: /^application\/json/ }, accept)
  }
})

await t.test("names of hosts become addresses, and keep their instances' case", async t => {
  const { stage } = await open(t)
  const { body } = await stage(
    '[instances]\nAgent-One = localhost:2151\n[manager]\ninstance = Agent-One\nrole = manager\n'
  )
  const [instance] = body.arguments.config.instances
  t.match(instance, { name: 'Agent-One', listen_port: 2151, host: /^(127\.0\.0\.1|::1)$/ })
})

await t.test("nodes without an instance are meant for the controller's host", async t => {
  const { stage } = await open(t)
  const { body } = await stage('[manager]\nrole = manager\n')
  t.match(body.arguments.config, {
    instances: [{ name: `agent-${hostname()}` }],
    nodes: [{ instance: `agent-${hostname()}` }]
  })
})

await t.test('all that is wrong in a file is told with section and key, and nothing is stored', async t => {
  const { url, stage } = await open(t, { fresh: true })
  const { status, body } = await stage(
    '[instances]\na = no-such-host.invalid:2151\n[manager]\ninstance = a\nrole = boss\ncolour = red\nport = 99999\n'
  )
  t.equal(status, 400)
  t.match(body, { code: 'invalid_request' })
  t.same(body.errors.map(({ field }: { field: string }) => field).sort(), [
    'instances.a',
    'manager.colour',
    'manager.port',
    'manager.role'
  ])
  t.same(((await (await fetch(`${url}/v1/requests`)).json()) as any).requests, [])
})

await t.test('what only the schema refuses is told with section and key, too', async t => {
  const { stage } = await open(t)
  const { status, body } = await stage(
    '[instances]\na\n[manager]\ninstance = a\nrole = manager\n[two words]\ninstance = a\nrole = worker\n'
  )
  t.equal(status, 400)
  t.match(body.errors, [{ field: 'two words.name' }])
  t.match((await stage('[instances]\na\n[w]\ninstance = a\nrole = worker\nscripts = --evil\n')).body.errors, [
    { field: /^w\.scripts/ }
  ])
})

await t.test('only a configuration may be such a file', async t => {
  const { url } = await open(t)
  const response = await fetch(`${url}/v1/requests/restart`, {
    method: 'POST',
    headers: { 'content-type': 'text/x-ini' },
    body: '[a]\n'
  })
  t.equal(response.status, 415)
})

await t.test('a body without a type, or none at all, is checked as JSON is', async t => {
  const { url } = await open(t)
  const none = await fetch(`${url}/v1/requests/stage_configuration`, { method: 'POST' })
  t.equal(none.status, 400)
  t.match(await none.json(), { errors: [{ field: 'body/config', message: 'is required' }] })
})

await t.test('the same file with the same key is the same request', async t => {
  const { url } = await open(t)
  const post = async (body: string) =>
    await fetch(`${url}/v1/requests/stage_configuration`, {
      method: 'POST',
      headers: { 'content-type': 'text/x-ini', 'idempotency-key': 'k' },
      body
    })
  const first = await post(recorded)
  const again = await post(`# a comment\n${recorded}`)
  t.equal(again.headers.get('idempotent-replayed'), 'true')
  t.equal(again.headers.get('location'), first.headers.get('location'))
  t.equal((await post(recorded.replace('5123', '5124'))).status, 422)
})
