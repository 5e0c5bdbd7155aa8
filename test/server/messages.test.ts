import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { encodeEvent } from '../../src/zeek/websocket/message.js'
import { string, vector, type Value } from '../../src/zeek/websocket/value.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { bool, openClient, requestFrame, set, topic, type MessagesClient } from '../support/zeek-websocket.js'
import { deployedAgent, never } from '../controller/fake-agent.js'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const none: Value = { '@data-type': 'none', data: {} }

async function start(t: Test, flags: Record<string, string> = {}) {
  const controller = await startTestController(t, flags)
  const { url, settings } = controller
  return {
    ...controller,
    client: (topics?: readonly string[] | null) => openClient(t, settings.controller_websocket_port, topics),
    /** All that was asked is in the history. */
    written: () => until(() => controller.controller.pendingRequests === 0, 'all is written down'),
    history: async (query = '') => (await getJson(`${url}/v1/requests?limit=200${query}`)).requests as any[]
  }
}

let asked = 0

/** Nothing was to be heard before this: the next that the client hears is the answer to a question of its own. */
async function hearsNothing(t: Test, client: MessagesClient): Promise<void> {
  const reqid = `barrier-${++asked}`
  client.send(requestFrame('get_instances', reqid))
  t.match(await client.event(), ['get_instances_response', reqid])
}

/** What asks the agent below. */
const patience = (reqid: string) => requestFrame('get_id_value', reqid, [string('x'), set([string('manager')])])
const ofPatience = '&type=get_id_value'

/** An agent that has no answer until it is let go. */
async function patientAgent(t: Test, controller: Parameters<typeof deployedAgent>[1]) {
  const waiting: (() => void)[] = []
  const agent = await deployedAgent(
    t,
    controller,
    () => new Promise(resolve => waiting.push(() => resolve([{ success: true, instance: 'agent-a', node: 'manager' }])))
  )
  return { ...agent, letGo: () => waiting.splice(0).forEach(resolve => resolve()) }
}

await t.test('a request over a WebSocket is in the history and on the streams, with an ID of the server', async t => {
  const { url, client, history } = await start(t)
  const stream = await openStream(t, `${url}/v1/events`)
  await stream.next('hello')
  const one = await client()
  one.send(requestFrame('get_configuration', 'mine', [bool(true)]))
  t.same(await one.event(), [
    'get_configuration_response',
    'mine',
    ['mine', false, null, null, 'no deployed configuration available', null]
  ])
  const [request, ...others] = await history()
  t.same(others, [])
  t.match(request, {
    reqid: uuid,
    type: 'get_configuration',
    state: 'failed',
    arguments: { deployed: true },
    results: [{ error: 'no deployed configuration available' }]
  })
  t.match((await stream.next('get_configuration_request'))?.json, {
    reqid: request.reqid,
    arguments: { deployed: true }
  })
  t.match((await stream.next('get_configuration_response'))?.json, { reqid: request.reqid, state: 'failed' })
})

await t.test('a REST request and its response are heard by those who have subscribed', async t => {
  const { ask, client } = await start(t)
  const one = await client()
  const other = await client(['elsewhere'])
  const { reqid } = await ask('get_id_value', { id: 'x', nodes: ['a', 'b'] })
  t.same(await one.event(), ['get_id_value_request', reqid, 'x', ['a', 'b']])
  t.same(await one.event(), ['get_id_value_response', reqid, [[reqid, false, null, null, 'no cluster deployed', null]]])
  // What REST may leave out has a default, and null is absent.
  const { reqid: second } = await ask('get_configuration', {})
  t.same(await one.event(), ['get_configuration_request', second, false])
  await one.event()
  const config = {
    id: 'c',
    instances: [{ name: 'a', host: null, listen_port: null }],
    nodes: [{ name: 'w', instance: 'a', role: 'WORKER', interface: 'lo', env: null, options: { 'A::b': '1' } }]
  }
  const { reqid: third } = await ask('stage_configuration', { config })
  t.same(await one.event(), [
    'stage_configuration_request',
    third,
    [
      'c',
      [['a', '0.0.0.0', null]],
      [['w', 'a', 'Supervisor::WORKER', 'Management::RUNNING', null, null, [['A::b', '1']], 'lo', null, {}, null]]
    ]
  ])
  t.same(await one.event(), ['stage_configuration_response', third, [[third, true, null, 'c', null, null]]])
  other.send('nope')
  t.match(await other.next(), { type: 'error' })
})

await t.test(
  'whoever asks for what is known at once is answered before that is written down; nobody else hears of it before',
  async t => {
    const { url, settings, client, history } = await start(t)
    const stream = await openStream(t, `${url}/v1/events`)
    await stream.next('hello')
    const [asker, other] = [await client(), await client()]
    const holder = new DatabaseSync(join(settings.management_state_dir, 'controller.sqlite'))
    t.teardown(() => holder.close())
    holder.exec('BEGIN IMMEDIATE')
    asker.send(requestFrame('get_instances', 'mine'))
    t.match(await asker.event(), ['get_instances_response', 'mine'])
    // What shows more than any viewer may see is written down first.
    asker.send(requestFrame('get_configuration', 'secret', [bool(true)]))
    asker.send(requestFrame('get_instances', 'last'))
    t.match(await asker.event(), ['get_instances_response', 'last'])
    t.same(await history(), [])
    holder.exec('ROLLBACK')
    t.match(await asker.event(), ['get_configuration_response', 'secret'])
    // What is answered at once is written down together, from the first one on.
    for (const type of ['get_instances', 'get_instances', 'get_configuration']) {
      t.match(await other.event(), [`${type}_request`, uuid])
      t.match(await other.event(), [`${type}_response`, uuid])
      t.ok(await stream.next(`${type}_request`))
      t.match((await stream.next(`${type}_response`))?.json, { results: [{}] })
    }
    t.equal((await history()).length, 3)
    await hearsNothing(t, asker)
  }
)

await t.test('the requester hears its response only, others the request first, with the ID of the server', async t => {
  const { client, history } = await start(t)
  const [requester, other] = [await client(), await client()]
  requester.send(requestFrame('get_configuration', 'mine', [bool(false)]))
  const response = (reqid: string) => [
    'get_configuration_response',
    reqid,
    [reqid, false, null, null, 'no staged configuration available', null]
  ]
  t.same(await requester.event(), response('mine'))
  const [{ reqid }] = await history()
  t.same(await other.event(), ['get_configuration_request', reqid, false])
  t.same(await other.event(), response(reqid))
  await hearsNothing(t, other)
  // What it hears is the other's, not an echo of its own.
  t.match(await requester.event(), ['get_instances_request', uuid])
})

await t.test("a request is heard by others in the bytes' meaning that it was sent with", async t => {
  const { client } = await start(t)
  const [requester, other] = [await client(), await client()]
  const message = JSON.parse(requestFrame('restart', 'ä"\n\u2028', [set([string('b'), string('a')])]))
  // Metadata is not read, and order of members does not matter.
  message.data[2].data.push(vector([]))
  requester.send(JSON.stringify({ data: message.data, '@data-type': 'vector', topic, type: 'data-message' }))
  t.match(await other.event(), ['restart_request', uuid, ['b', 'a']])
  t.match(await requester.event(), ['restart_response', 'ä"\n\u2028'])
})

await t.test('topics are prefixes, on both ends', async t => {
  const { client } = await start(t)
  const heard = await Promise.all([[''], ['zeek/'], ['zeek/management/contr'], ['x', topic]].map(client))
  const deaf = await Promise.all([[], [`${topic}/`], ['eek'], ['Zeek']].map(client))
  const one = await client([])
  one.send(requestFrame('get_instances', 'r', [], `${topic}/more`))
  for (const each of heard) {
    t.match(await each.event(), ['get_instances_request', uuid])
    t.match(await each.event(), ['get_instances_response', uuid])
  }
  for (const each of deaf) {
    each.send('nope')
    t.match(await each.next(), { type: 'error' })
  }
})

await t.test('an event on another topic goes to its subscribers, and is no request', async t => {
  const { client, history, written } = await start(t)
  const [one, other, third] = [await client(['a/']), await client(['a/b']), await client()]
  for (const on of ['a/b', 'zeek/management', 'controller']) one.send(requestFrame('get_instances', on, [], on))
  t.match(await other.event(), ['get_instances_request', 'a/b'])
  await hearsNothing(t, third)
  one.send('nope')
  t.match(await one.next(), { type: 'error' })
  await written()
  t.equal((await history()).length, 1)
})

await t.test('who has not subscribed to the topic hears nothing, and is served all the same', async t => {
  const { client, history } = await start(t)
  const [silent, other] = [await client(['elsewhere']), await client()]
  silent.send(requestFrame('get_instances', 'r'))
  t.match(await other.event(), ['get_instances_request', uuid])
  t.match(await other.event(), ['get_instances_response', uuid])
  silent.send('nope')
  t.match(await silent.next(), { type: 'error' })
  t.match(await history(), [{ type: 'get_instances', state: 'succeeded' }])
})

await t.test(
  'two clients with the same ID at once, and one client twice, are all answered, each with its own',
  async t => {
    const controller = await start(t)
    const { client, history } = controller
    const agent = await patientAgent(t, controller)
    const [one, two] = [await client(), await client()]
    one.send(patience('same'), patience('same'))
    two.send(patience('same'))
    await until(() => agent.count('get_id_value') === 3, 'all are asked')
    agent.letGo()
    const names = async (client: MessagesClient, count: number) => {
      const events = []
      for (let n = 0; n < count; n++) events.push(await client.event())
      return events.map(([name, reqid]) => `${name} ${reqid === 'same' ? 'mine' : 'other'}`).sort()
    }
    const [request, other, mine] = [
      'get_id_value_request other',
      'get_id_value_response other',
      'get_id_value_response mine'
    ]
    t.same(await names(one, 4), [request, mine, mine, other])
    t.same(await names(two, 5), [request, request, mine, other, other])
    t.equal(new Set((await history(ofPatience)).map(({ reqid }) => reqid)).size, 3)
  }
)

await t.test('whoever takes the ID of another client is not given its answer, nor gives it one', async t => {
  const controller = await start(t)
  const { client, ask } = controller
  const agent = await patientAgent(t, controller)
  const [victim, other] = [await client(), await client()]
  victim.send(patience('precious'))
  await agent.question('get_id_value')
  const [, precious] = await other.event()
  t.match(precious, uuid)
  // Neither the one that the client has chosen nor the one that others see is an address.
  for (const reqid of ['precious', precious]) {
    other.send(requestFrame('get_configuration', reqid, [bool(false)]))
    t.match(await other.event(), ['get_configuration_response', reqid, [reqid, true]])
    const heard = await victim.event()
    t.match(heard, ['get_configuration_request', uuid])
    t.match(await victim.event(), ['get_configuration_response', heard[1]])
    t.not(heard[1], precious)
  }
  agent.letGo()
  t.match(await victim.event(), ['get_id_value_response', 'precious', [['precious', true]]])
  t.match(await other.event(), ['get_id_value_response', precious, [[precious, true]]])
  const { reqid } = await ask('get_configuration', {})
  for (const each of [victim, other]) {
    for (const what of ['request', 'response']) t.match(await each.event(), [`get_configuration_${what}`, reqid])
  }
})

await t.test('an ID may be empty, or nothing that REST would take', async t => {
  const { client, history, written } = await start(t)
  const one = await client()
  for (const reqid of ['', ' ', '../x', 'x'.repeat(10_000), '\u0000']) {
    one.send(requestFrame('get_instances', reqid))
    t.same(await one.event(), ['get_instances_response', reqid, [reqid, true, null, [], null, null]])
  }
  await written()
  t.ok((await history()).every(({ reqid }) => uuid.test(reqid)))
})

await t.test('binary frames are messages as well', async t => {
  const { client } = await start(t)
  const one = await client(null)
  one.send(Buffer.from(JSON.stringify([topic])))
  t.match(await one.next(), { type: 'ack' })
  one.send(Buffer.from(requestFrame('get_instances', 'ä')))
  t.match(await one.event(), ['get_instances_response', 'ä'])
  one.send(Buffer.from([0xff, 0xfe]))
  t.match(await one.next(), { type: 'error', context: 'failed to decode JSON object' })
})

const node = (fields: Record<string, Value> = {}) => {
  const all: Record<string, Value> = {
    name: string('w-1'),
    instance: string('a'),
    role: { '@data-type': 'enum-value', data: 'Supervisor::WORKER' },
    state: { '@data-type': 'enum-value', data: 'Management::RUNNING' },
    port: none,
    scripts: none,
    options: none,
    interface: string('lo'),
    cpu_affinity: none,
    env: { '@data-type': 'table', data: [] },
    metrics_port: none,
    ...fields
  }
  return vector(Object.values(all))
}
const instance = (name = 'a') => vector([string(name), { '@data-type': 'address', data: '0.0.0.0' }, none])
const config = ({ id = 'c', instances = [instance()], nodes = [node()] } = {}) => [
  vector([string(id), set(instances), set(nodes)])
]
const env = (name: string, value: string): Value => ({
  '@data-type': 'table',
  data: [{ key: string(name), value: string(value) }]
})
const option = (name: string, value: string) => set([vector([string(name), string(value)])])
const port = (data: string): Value => ({ '@data-type': 'port', data })
const integer = (data: number): Value => ({ '@data-type': 'integer', data })

const refused: Record<string, [type: string, args: Value[], error: RegExp]> = {
  'a role that no node has': [
    'stage_configuration',
    config({ nodes: [node(), node({ role: { '@data-type': 'enum-value', data: 'Supervisor::NONE' } })] }),
    /^node 'w-1' role must be one of MANAGER, LOGGER, PROXY, WORKER$/
  ],
  'a port 0': [
    'stage_configuration',
    config({ nodes: [node({ name: string('w-2'), port: port('0/tcp') })] }),
    /^node 'w-2' port must be >= 1$/
  ],
  'a CPU below 0': [
    'stage_configuration',
    config({ nodes: [node({ cpu_affinity: integer(-1) })] }),
    /^node 'w-1' cpu_affinity must be >= 0$/
  ],
  'an interface that is a flag': [
    'stage_configuration',
    config({ nodes: [node({ interface: string('-C') })] }),
    /^node 'w-1' interface must be/
  ],
  'a script that is an option': [
    'stage_configuration',
    config({ nodes: [node({ scripts: vector([string('a'), string('A::b=1')]) })] }),
    /^node 'w-1' scripts\/1 must be/
  ],
  'a variable with a bad name': [
    'stage_configuration',
    config({ nodes: [node({ env: env('A B', 'x') })] }),
    /^node 'w-1' env\/A B is not a valid name$/
  ],
  'a variable with a line break': [
    'stage_configuration',
    config({ nodes: [node({ env: env('A', 'x\ny') })] }),
    /^node 'w-1' env\/A must be/
  ],
  'an option with a bad name': [
    'stage_configuration',
    config({ nodes: [node({ options: option('a b', '1') })] }),
    /^node 'w-1' options\/a b is not a valid name$/
  ],
  'a node with a bad name': [
    'stage_configuration',
    config({ nodes: [node({ name: string('../w') })] }),
    /^node '\.\.\/w' name must be/
  ],
  'a node without a name': [
    'stage_configuration',
    config({ nodes: [node({ name: string('') })] }),
    /^node '' name must be/
  ],
  'an instance with a bad name': [
    'stage_configuration',
    config({ instances: [instance(), instance('a b')] }),
    /^instance 'a b' name must be/
  ],
  'a configuration with a bad ID': ['stage_configuration', config({ id: 'a b' }), /^config\/id must be an ID/],
  'an identifier that is none': ['get_id_value', [string(''), set([])], /^id must/],
  'a node to ask with a bad name': [
    'get_id_value',
    [string('x'), set([string('a'), string('a b')])],
    /^node.* must be/
  ],
  'a node to restart with a bad name': ['restart', [set([string('-a')])], /^node.* must be/]
}

await t.test('what our schemas refuse is told to the asker alone, by the field, and is not kept', async t => {
  const { url, client, history } = await start(t)
  const [asker, other] = [await client(), await client()]
  const cursor = async () => (await getJson(`${url}/v1/requests`)).event_cursor
  const before = await cursor()
  for (const [what, [type, args, error]] of Object.entries(refused)) {
    asker.send(requestFrame(type, what, args))
    const [name, reqid, results, ...rest] = await asker.event()
    t.same([name, reqid, rest, results.length], [`${type}_response`, what, [], 1])
    t.same(results[0].with(4, null), [what, false, null, null, null, null], what)
    t.match(results[0][4], error, what)
  }
  t.same(await history(), [])
  t.equal(await cursor(), before)
  // It may try again.
  asker.send(requestFrame('stage_configuration', 'good', config()))
  t.match(await asker.event(), ['stage_configuration_response', 'good', [['good', true]]])
  t.match(await other.event(), ['stage_configuration_request', uuid])
  t.match(await other.event(), ['stage_configuration_response', uuid])
})

await t.test('a request when too many are pending is answered, to the asker alone', async t => {
  const controller = await start(t, { 'controller-pending-max': '1' })
  const { client, history } = controller
  const agent = await patientAgent(t, controller)
  const [one, other] = [await client(), await client()]
  one.send(patience('first'))
  await agent.question('get_id_value')
  one.send(patience('second'), requestFrame('get_instances', 'third'))
  const refusals = [await one.event(), await one.event()].sort()
  t.same(refusals, [
    ['get_id_value_response', 'second', [['second', false, null, null, 'there are too many pending requests', null]]],
    ['get_instances_response', 'third', ['third', false, null, null, 'there are too many pending requests', null]]
  ])
  agent.letGo()
  t.match(await one.event(), ['get_id_value_response', 'first', [['first', true]]])
  t.match(await other.event(), ['get_id_value_request', uuid])
  t.match(await other.event(), ['get_id_value_response', uuid])
  t.equal((await history(ofPatience)).length, 1)
  await hearsNothing(t, other)
})

await t.test("the deadline is the type's, and never beyond the longest that such clients wait", async t => {
  const { client, history } = await start(t, {
    'controller-messages-timeout-max': '12',
    'controller-timeout-deploy': '30',
    'controller-timeout-get-instances': '7'
  })
  const one = await client()
  for (const [type, args] of [['deploy'], ['get_instances'], ['restart', [set([])]]] as [string, Value[]?][]) {
    one.send(requestFrame(type, type, args))
    await one.event()
  }
  const seconds = Object.fromEntries(
    (await history()).map(({ type, created_at: created, expires_at: expires }) => [
      type,
      (Date.parse(expires) - Date.parse(created)) / 1000
    ])
  )
  t.same(seconds, { deploy: 12, get_instances: 7, restart: 10 })
})

await t.test('by default no deadline is beyond 18 s: zeek-client waits 20', async t => {
  const { client, history } = await start(t, { 'controller-timeout-deploy': '120' })
  const one = await client()
  one.send(requestFrame('deploy', 'r'))
  await one.event()
  const [{ created_at: created, expires_at: expires }] = await history()
  t.equal(Date.parse(expires) - Date.parse(created), 18_000)
})

await t.test('a request that times out is answered', async t => {
  const controller = await start(t, { 'controller-messages-timeout-max': '0.1' })
  const { client } = controller
  await deployedAgent(t, controller, never)
  const one = await client()
  one.send(requestFrame('test_timeout', 'a', [bool(true)]))
  t.same(await one.event(), ['test_timeout_response', 'a', ['a', false, null, null, 'request timed out', null]])
  one.send(patience('b'))
  t.same(await one.event(), [
    'get_id_value_response',
    'b',
    [['b', false, 'agent-a', null, 'request timed out', 'manager']]
  ])
})

await t.test('test_timeout without state has no response, and gives the client its place back', async t => {
  const { client, history } = await start(t, {
    'controller-messages-timeout-max': '0.1',
    'controller-messages-unanswered-max': '2'
  })
  const [one, other] = [await client(), await client()]
  for (let n = 0; n < 3; n++) {
    one.send(requestFrame('test_timeout', `a${n}`, [bool(false)]), requestFrame('test_timeout', `b${n}`, [bool(false)]))
    await until(async () => (await history('&state=expired')).length === 2 * (n + 1), 'both are expired')
  }
  await hearsNothing(t, one)
  for (let n = 0; n < 6; n++) t.match(await other.event(), ['test_timeout_request'])
  t.match(await other.event(), ['get_instances_request'])
})

await t.test('what is pending when the controller closes is answered, before the socket is closed', async t => {
  const controller = await start(t)
  const { client, close } = controller
  const agent = await deployedAgent(t, controller, never)
  const [one, other] = [await client(), await client()]
  one.send(patience('r'), requestFrame('test_timeout', 's', [bool(false)]))
  await agent.question('get_id_value')
  for (let n = 0; n < 2; n++) await other.event()
  const closing = close()
  t.same(await one.event(), ['get_id_value_response', 'r', [['r', false, null, null, 'request interrupted', null]]])
  t.equal(await one.next(), undefined)
  t.same(await one.closed, { code: 1001, reason: 'Terminating' })
  t.match(await other.event(), ['get_id_value_response', uuid])
  t.same(await other.closed, { code: 1001, reason: 'Terminating' })
  await closing
})

await t.test('a client that vanishes while its request is pending harms nobody', async t => {
  const controller = await start(t)
  const { client, history } = controller
  const agent = await patientAgent(t, controller)
  const [one, other] = [await client(), await client()]
  one.send(patience('r'))
  await agent.question('get_id_value')
  one.socket.terminate()
  await once(one.socket, 'close')
  t.match(await other.event(), ['get_id_value_request', uuid])
  agent.letGo()
  t.match(await other.event(), ['get_id_value_response', uuid, [[uuid, true]]])
  t.match(await history(ofPatience), [{ type: 'get_id_value', state: 'succeeded' }])
  await hearsNothing(t, other)
})

await t.test('what is no event of ours is answered with an error, on every topic', async t => {
  const { client, history, written } = await start(t)
  const [one, other] = [await client(), await client([''])]
  const bad = [
    encodeEvent(topic, { name: 'Management::Controller::API::get_instances_response', args: vector([string('r')]) }),
    encodeEvent('elsewhere', { name: 'No::such_event', args: vector([]) }),
    requestFrame('get_instances', 'r', [bool(true)]),
    requestFrame('restart', 'r', [vector([])]),
    requestFrame('deploy', 'r').replaceAll('"string"', '"enum-value"')
  ]
  for (const text of bad) {
    one.send(text)
    t.same(
      await one.next(),
      { type: 'error', code: 'deserialization_failed', context: 'failed to create Zeek event' },
      text
    )
  }
  other.send(requestFrame('get_instances', 'after'))
  t.match(await other.event(), ['get_instances_response', 'after'])
  await written()
  t.equal((await history()).length, 1)
})
