import t from 'tap'
import type { ClusterConfiguration } from '../../schemas/types.js'
import { secretNames } from '../../src/security/secret-names.js'
import { hideHalves, secretsOf } from '../../src/security/secret-values.js'
import {
  mask,
  masked,
  maskedCommand,
  maskedFieldsOf,
  maskedIdValue,
  withoutSecrets
} from '../../src/security/secrets.js'
import { fakeAgent, small } from '../controller/fake-agent.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { openClient, requestFrame, bool } from '../support/zeek-websocket.js'

const configuration: ClusterConfiguration = {
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
  t.same(maskedFieldsOf('node', masked(configuration).nodes), [
    "node 'worker-1' env API_TOKEN is masked: its value is needed",
    "node 'worker-1' options Foo::password is masked: its value is needed"
  ])
  t.same(maskedFieldsOf('node', configuration.nodes), [])
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

await t.test('the setting marks further names, with * at either end, in any case of letters', async t => {
  const isSecret = secretNames(' Site::community , *_HASH,internal*,*pin* , , ')
  for (const name of [
    'Site::community',
    'SITE::COMMUNITY',
    'user_hash',
    'internal',
    'Internal::host',
    'a_pin_b',
    'PASSWORD'
  ]) {
    t.ok(isSecret(name), name)
  }
  for (const name of ['Site::community2', 'hash', 'hash_user', 'an_internal', 'COLOUR', '']) {
    t.notOk(isSecret(name), name)
  }
  t.notOk(secretNames('')('anything'))
  t.ok(secretNames('*')('anything'))
  const [node] = masked(configuration, secretNames('COLOUR,Foo::n')).nodes
  t.same(
    [node!.env, node!.options],
    [
      { API_TOKEN: mask, COLOUR: mask },
      { 'Foo::password': mask, 'Foo::n': mask }
    ]
  )
})

await t.test('a command line is masked from the name of a secret on, also within a statement', async t => {
  t.same(
    maskedCommand(['-e', 'redef A::n=1; redef Foo::password = "x=y";', 'Foo::tokens+={"a"}', '--api-key=x', 'n=5']),
    ['-e', `redef A::n=1; redef Foo::password =${mask}`, `Foo::tokens+=${mask}`, `--api-key=${mask}`, 'n=5']
  )
})

await t.test('the value of an identifier with the name of a secret is masked', async t => {
  for (const id of ['Site::api_token', 'Foo::password', 'SSH::private_key', 'Site::sslKey', 'a::keys']) {
    for (const value of ['"hunter2"', '5', '{"a":[1,2]}', 'T', '']) t.equal(maskedIdValue(id, value), `"${mask}"`, id)
  }
  t.equal(maskedIdValue('Cluster::node', '"manager"'), '"manager"')
  t.equal(maskedIdValue('Site::community', '"x"', {}, secretNames('site::*')), `"${mask}"`)
})

await t.test('members with the name of a secret are masked, at any depth, and nothing else is touched', async t => {
  const same = '{ "n": 18446744073709551615, "x": 1.0, "t": ["a:b", "c\\"d", {}], "e": "\\u00e9" }'
  t.equal(maskedIdValue('Site::config', same), same)
  const m = `"${mask}"`
  for (const [value, expected] of [
    ['{"password":"hunter2"}', `{"password":${m}}`],
    ['{"password":{"a":["}",{"b":1}]},"n":5}', `{"password":${m},"n":5}`],
    ['{"tokens":["a","b"],"n":5}', `{"tokens":${m},"n":5}`],
    ['[{"a":{"b":[{"api_key": 7,"c":1}]}}]', `[{"a":{"b":[{"api_key": ${m},"c":1}]}}]`.replace(': "', ':"')],
    ['{"pass\\u0077ord":"hunter2"}', `{"pass\\u0077ord":${m}}`],
    ['{"a\\"b secret" : null}', `{"a\\"b secret" :${m}}`],
    ['{"a":"password","b":"secret: 5"}', '{"a":"password","b":"secret: 5"}'],
    ['{"password":"hunter2', `{"password":${m}`],
    ['{"password":["hunter2","x"', `{"password":${m}`],
    ['{"password":', `{"password":${m}`],
    ['5', '5'],
    ['', '']
  ] as const) {
    t.equal(maskedIdValue('Site::config', value), expected, value)
  }
  const deep = 100_000
  t.equal(
    maskedIdValue('Site::config', `${'{"a":'.repeat(deep)}{"secret":"hunter2"}${'}'.repeat(deep)}`),
    `${'{"a":'.repeat(deep)}{"secret":${m}}${'}'.repeat(deep)}`
  )
  t.equal(
    maskedIdValue('Site::config', `{"secret":${'['.repeat(deep)}1${']'.repeat(deep)},"n":1}`),
    `{"secret":${m},"n":1}`
  )
  const long = `{"a":"${'\\\\n'.repeat(1_000_000)}","secret":"${'x'.repeat(4_000_000)}"}`
  t.equal(maskedIdValue('Site::config', long).endsWith(`","secret":${m}}`), true)
})

await t.test('the secrets of a node are masked in the values of its identifiers', async t => {
  const keeper = {
    options: { 'Foo::password': '"hun\\"ter2"', 'Foo::secret': '12345678' },
    env: { A_TOKEN: 'ünïcode' }
  }
  t.same(
    JSON.parse(
      maskedIdValue('Site::config', '{"a":"is hun\\"ter2!","b":12345678,"c":[123],"ünïcode":"\\u00fcnïcode"}', keeper)
    ),
    { a: `is ${mask}!`, b: mask, c: [123], [mask]: mask }
  )
})

await t.test('a secret is masked as it may be written: by its lines, its strings, and escaped', async t => {
  const env = { SSL_KEY: 'first line\nsecond line\nshort' }
  t.equal(withoutSecrets('a first line and a second line', { env }), `a ${mask} and a ${mask}`)
  const options = { 'Foo::passwords': '{ "hunter22", "sword\\"fish" }', 'Foo::secret': 'semi;colon' }
  t.equal(
    withoutSecrets('hunter22, sword"fish, {"x":"sword\\"fish"}, semi\\x3bcolon, semi;colon', { options }),
    `${mask}, ${mask}, {"x":"${mask}"}, ${mask}, ${mask}`
  )
})

await t.test('where a text was cut, halves of secrets are masked', async t => {
  const secrets = secretsOf({ env: { A_TOKEN: 'hunter22ü' } })
  t.equal(hideHalves('ter22ü is it', secrets), `${mask} is it`)
  t.equal(hideHalves('it is hunt', secrets), `it is ${mask}`)
  t.equal(hideHalves('it is hunter22\ufffd', secrets), `it is ${mask}\ufffd`)
  t.equal(hideHalves('it is hunter22ü', secrets), `it is ${mask}`)
  t.equal(hideHalves('\ufffdhu and hunt, ter22 and 2ü', secrets), '\ufffdhu and hunt, ter22 and 2ü')
  t.equal(hideHalves('', secrets), '')
  t.equal(hideHalves('\ufffd', secrets), '\ufffd')
  const noise = `x${'\ufffd'.repeat(500_000)}`.repeat(2)
  t.ok(hideHalves(`${noise}y`, secrets) === `${noise}y`, 'what is no text is looked through once')
})

await t.test('an agent that does not mask has its values masked before they are stored or told', async t => {
  const controller = await startTestController(t, { 'management-secrets': 'Site::community' })
  const { url, ask, settings } = controller
  const values: Record<string, string> = {
    'Site::api_token': '"leaked-1"',
    'Site::community': '"leaked-2"',
    'Site::config': '{"a":[{"password":"leaked-3"}],"b":"swordfish","n":5}'
  }
  await fakeAgent(t, settings.controller_port, {
    handlers: {
      get_id_value: ({ id }: { id: string }) => [
        { success: true, instance: 'agent-a', node: 'manager', data: { value: values[id] } }
      ]
    }
  })
  const [manager, ...others] = small().nodes
  const config = { ...small(), nodes: [{ ...manager!, env: { DB_PASSWORD: 'swordfish' } }, ...others] }
  t.equal((await ask('stage_configuration', { config })).state, 'succeeded')
  t.equal((await ask('deploy')).state, 'succeeded')
  const stream = await openStream(t, `${url}/v1/events`)
  const told: unknown[] = []
  for (const id of Object.keys(values)) {
    const answer = await ask('get_id_value', { id, nodes: ['manager'] })
    t.equal(answer.state, 'succeeded')
    told.push(answer, await getJson(`${url}/v1/requests/${answer.reqid}`))
  }
  t.same(
    told.map(request => (request as any).results[0].data.value).filter((_, n) => n % 2 === 0),
    [`"${mask}"`, `"${mask}"`, `{"a":[{"password":"${mask}"}],"b":"${mask}","n":5}`]
  )
  const last = (told.at(-1) as any).reqid
  told.push(await stream.collect(({ type, reqid }) => type === 'get_id_value_response' && reqid === last))
  t.notMatch(JSON.stringify(told), /leaked|swordfish/)
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
    maskedFieldsOf('node', masked(configuration).nodes)
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

await t.test('a text that is no JSON is masked in one go, however it goes wrong', t => {
  const n = 200_000
  for (const value of [
    `"${'\\"'.repeat(n)}`,
    `"${'\\'.repeat(2 * n + 1)}`,
    '"'.repeat(n),
    '{"a":['.repeat(n),
    ' '.repeat(n)
  ]) {
    t.equal(maskedIdValue('x', value), value)
  }
  t.equal(maskedIdValue('x', `{"token":"${'\\"'.repeat(n)}`), `{"token":"${mask}"`)
  t.end()
})
