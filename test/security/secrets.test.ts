import t from 'tap'
import type { Configuration } from '../../schemas/types.js'
import { mask, masked, maskedCommand, maskedFields, withoutSecrets } from '../../src/security/secrets.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { openClient, requestFrame, bool } from '../support/zeek-websocket.js'

const configuration: Configuration = {
  id: 'c1',
  instances: [{ name: 'agent-1' }],
  nodes: [
    {
      name: 'worker-1',
      instance: 'agent-1',
      role: 'WORKER',
      interface: 'lo',
      env: { API_TOKEN: 'hunter2', COLOUR: 'red' },
      options: { 'Foo::password': 'hunter2', 'Foo::n': '5' }
    }
  ]
}

await t.test('values whose names look like secrets are masked, and no others', async t => {
  const [node] = masked(configuration).nodes
  t.same(
    [node!.env, node!.options],
    [
      { API_TOKEN: mask, COLOUR: 'red' },
      { 'Foo::password': mask, 'Foo::n': '5' }
    ]
  )
  t.equal(configuration.nodes[0]!.env!.API_TOKEN, 'hunter2', 'the original is left as it is')
  const env = (name: string) =>
    masked({ ...configuration, nodes: [{ ...configuration.nodes[0]!, env: { [name]: 'x' } }] }).nodes[0]!.env![name]
  for (const name of [
    'PASSWORD',
    'DB_PASSWD',
    'GPG_PASSPHRASE',
    'client_secret',
    'AWS_SECRET_ACCESS_KEY',
    'GITHUB_TOKEN',
    'CREDENTIALS',
    'KEY',
    'SSL_KEY',
    'apiKey',
    'PRIVATE_KEY'
  ]) {
    t.equal(env(name), mask, name)
  }
  for (const name of ['PATH', 'KEYBOARD', 'MONKEY', 'KEY_COUNT', 'PASS_THROUGH', 'COMPASS']) {
    t.equal(env(name), 'x', name)
  }
  t.same(masked({ instances: [], nodes: [{ name: 'm', instance: 'i', role: 'MANAGER' }] }), {
    instances: [],
    nodes: [{ name: 'm', instance: 'i', role: 'MANAGER' }]
  })
})

await t.test('what has come back masked is named', async t => {
  t.same(maskedFields(masked(configuration)), [
    "node 'worker-1' env API_TOKEN is masked: its value is needed",
    "node 'worker-1' options Foo::password is masked: its value is needed"
  ])
  t.same(maskedFields(configuration), [])
})

await t.test('a command line shows the names of its secrets, and a text neither', async t => {
  t.same(
    maskedCommand(['taskset', '-c', '1', '/opt/zeek', 'local', 'Foo::password=hunter2', 'Foo::n=5', 'x==y', '=']),
    ['taskset', '-c', '1', '/opt/zeek', 'local', `Foo::password=${mask}`, 'Foo::n=5', 'x==y', '=']
  )
  t.equal(withoutSecrets('hunter2, hunter2! and 5', configuration.nodes[0]!), `${mask}, ${mask}! and 5`)
  t.equal(
    withoutSecrets('use_token is T', { options: { use_token: 'T', 'a::secret': '' } }),
    'use_token is T',
    'what is too short is no secret'
  )
  t.equal(withoutSecrets('abcdefgh', { env: { A_KEY: 'abcdef', B_KEY: 'abcdefgh' } }), mask, 'the longer one first')
  t.equal(withoutSecrets('text', {}), 'text')
})

await t.test('nobody but who asks for a configuration sees its secrets', async t => {
  const { url, ask, settings } = await startTestController(t)
  const port = settings.controller_websocket_port
  const stream = await openStream(t, `${url}/v1/events`)
  const other = await openClient(t, port)
  const asker = await openClient(t, port)

  const staged = await ask('stage_configuration', { config: configuration })
  t.equal(staged.state, 'succeeded')
  t.notMatch(JSON.stringify(staged), 'hunter2')
  const shown = await ask('get_configuration')
  t.match(shown.results, [{ reqid: shown.reqid, data: { configuration } }], 'whoever asks has it whole')
  asker.send(requestFrame('get_configuration', 'mine', [bool(false)]))
  let answer
  do answer = await asker.event()
  while (answer[1] !== 'mine')
  t.match(JSON.stringify(answer), 'hunter2')
  t.same((await getJson(`${url}/v1/configurations/staged`)).configuration, configuration)

  t.notMatch(JSON.stringify(await getJson(`${url}/v1/requests`)), 'hunter2')
  t.notMatch(JSON.stringify(await getJson(`${url}/v1/requests/${shown.reqid}`)), 'hunter2')
  await ask('test_timeout', {}, '?timeout=0.05')
  const events = await stream.collect(json => json.type === 'request_expired')
  t.ok(events.some(({ json }) => json.type === 'get_configuration_response'))
  t.notMatch(JSON.stringify(events), 'hunter2')
  t.ok(JSON.stringify(events).includes(mask))
  other.send(requestFrame('get_instances', 'last'))
  for (let event; event?.[1] !== 'last'; event = await other.event());
  t.equal(other.texts.filter(text => text.includes('get_configuration_response')).length, 2)
  t.notOk(other.texts.some(text => text.includes('hunter2')))
  t.notOk(
    asker.texts.filter(text => text.includes('get_configuration_response')).length !== 2,
    'it hears its own answer once'
  )
})

await t.test('a masked value cannot be staged', async t => {
  const { ask } = await startTestController(t)
  const { state, results } = await ask('stage_configuration', { config: masked(configuration) })
  t.equal(state, 'failed')
  t.same(
    results.map(({ error }) => error),
    maskedFields(masked(configuration))
  )
})

await t.test('the snapshot of a stream has no secrets', async t => {
  const { url, ask } = await startTestController(t)
  await ask('stage_configuration', {
    config: { ...configuration, instances: [{ name: 'agent-1', host: '127.0.0.1' }] }
  })
  await ask('deploy')
  const stream = await openStream(t, `${url}/v1/events?snapshot=true`)
  const events = await stream.collect(json => json.type === 'snapshot-end')
  t.match(events.find(({ json }) => json.configuration)?.json.configuration.configuration.nodes, [
    { name: 'worker-1', env: { API_TOKEN: mask } }
  ])
  t.notMatch(JSON.stringify(events), 'hunter2')
})
