import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import type { RequestArguments } from '../../../schemas/api.js'
import type { Outcome } from '../../../schemas/types.js'
import {
  controllerTopic,
  decodeRequest,
  encodeRequest,
  encodeResponse,
  zeekRequestTypes,
  type ZeekRequest,
  type ZeekRequestType
} from '../../../src/zeek/websocket/controller-api.js'
import { configuration } from '../../../src/zeek/websocket/management.js'
import { decodeData, encodeEvent, eventOf, type ZeekEvent } from '../../../src/zeek/websocket/message.js'
import { count, encodeValue, none, string, vector, type Value } from '../../../src/zeek/websocket/value.js'
import { altered, anyText, anyValue, nodesOf, refusal, refusedAt } from '../../support/arbitraries.js'
import { clientConversations, exchanges } from '../../support/recordings.js'
import { runs } from '../../support/runs.js'

const prefix = 'Management::Controller::API::'
const value = (type: string, data: unknown) => ({ '@data-type': type, data }) as Value
const boolean = (data: boolean) => value('boolean', data)
const set = (...data: Value[]) => value('set', data)
const eventIn = (frame: unknown): ZeekEvent => eventOf(decodeData(JSON.stringify(frame)).data)
const read = (name: string, ...args: Value[]) => decodeRequest({ name: `${prefix}${name}`, args: vector(args) })

/** Each conversation that was recorded: the request, and the response if there was one. */
const recorded = clientConversations.map(({ name, frames }) => {
  const [request, response] = frames.filter(({ frame }) => frame.type === 'data-message').map(({ frame }) => frame)
  return { name, request, response }
})

/** What the commands ask for, in the order of the recording. */
const asked: [string, ZeekRequestType, RequestArguments | 'config'][] = [
  ['get-instances', 'get_instances', {}],
  ['get-config', 'get_configuration', { deployed: false }],
  ['get-config --deployed', 'get_configuration', { deployed: true }],
  ['get-nodes', 'get_nodes', {}],
  ['deploy', 'deploy', {}],
  ['stage-config cluster.cfg', 'stage_configuration', 'config'],
  ['get-config --as-json', 'get_configuration', { deployed: false }],
  ['get-config', 'get_configuration', { deployed: false }],
  ['deploy', 'deploy', {}],
  ['get-nodes', 'get_nodes', {}],
  ['get-id-value Cluster::node', 'get_id_value', { id: 'Cluster::node', nodes: [] }],
  ['get-id-value nosuchid worker-01', 'get_id_value', { id: 'nosuchid', nodes: ['worker-01'] }],
  ['restart worker-01', 'restart', { nodes: ['worker-01'] }],
  ['get-config --deployed --as-json', 'get_configuration', { deployed: true }],
  ['test-timeout --with-state', 'test_timeout', { with_state: true }],
  ['--set client.request_timeout_secs=3 test-timeout', 'test_timeout', { with_state: false }],
  ['stage-config bad.cfg', 'stage_configuration', 'config'],
  ['stage-config fail.cfg', 'stage_configuration', 'config'],
  ['deploy', 'deploy', {}]
]

await t.test('every request of zeek-client is understood', async t => {
  t.strictSame(
    recorded.map(({ name }) => name),
    asked.map(([command]) => `zeek-client ${command}`)
  )
  for (const [index, { name, request }] of recorded.entries()) {
    const { type, reqid, arguments: args } = decodeRequest(eventIn(request))
    const [, expectedType, expectedArgs] = asked[index]!
    const [sentReqid, sentConfig] = eventIn(request).args.data as Value[]
    t.equal(type, expectedType, name)
    t.equal(reqid, sentReqid!.data, name)
    t.strictSame(
      args,
      expectedArgs === 'config' ? { config: configuration.decode(sentConfig!, 'c') } : expectedArgs,
      name
    )
  }
  t.strictSame(new Set(asked.map(([, type]) => type)), new Set(zeekRequestTypes), 'every type was')
})

await t.test('a request of ours is written as zeek-client writes it', async t => {
  for (const { name, request } of recorded) {
    t.strictSame(
      JSON.parse(encodeEvent(controllerTopic, encodeRequest(decodeRequest(eventIn(request))))),
      request,
      name
    )
  }
})

await t.test(
  "arguments that were not given are Zeek's own defaults, and what Zeek does not know stays behind",
  async t => {
    const args = (type: ZeekRequestType, given: RequestArguments) =>
      encodeRequest({ type, reqid: 'r', arguments: given }).args.data
    t.strictSame(args('get_configuration', {}), [string('r'), boolean(false)])
    t.strictSame(args('restart', {}), [string('r'), set()])
    t.strictSame(args('get_id_value', { id: 'x' }), [string('r'), string('x'), set()])
    t.strictSame(args('test_timeout', {}), [string('r'), boolean(false)])
    t.strictSame(args('deploy', { force: true }), [string('r')])
    t.strictSame(args('stage_configuration', { config: { instances: [], nodes: [] } }), [
      string('r'),
      vector([string(''), set(), set()])
    ])
  }
)

await t.test('the ID of a request may be anything, or empty', async t => {
  for (const reqid of ['', 'a b', '\0', 'ä'.repeat(1000)]) {
    t.strictSame(read('deploy_request', string(reqid)), { type: 'deploy', reqid, arguments: {} })
  }
})

await t.test('what is no request is refused with a place', async t => {
  const places: [string, Value[], string][] = [
    ['deploy_request', [], 'deploy.reqid'],
    ['deploy_request', [count(1)], 'deploy.reqid'],
    ['deploy_request', [string('r'), boolean(true)], 'deploy[1]'],
    ['get_configuration_request', [string('r')], 'get_configuration.deployed'],
    ['get_configuration_request', [string('r'), string('T')], 'get_configuration.deployed'],
    ['test_timeout_request', [string('r')], 'test_timeout.with_state'],
    ['restart_request', [string('r')], 'restart.nodes'],
    ['restart_request', [string('r'), vector([])], 'restart.nodes'],
    ['restart_request', [string('r'), set(string('a'), count(1))], 'restart.nodes[1]'],
    ['get_id_value_request', [string('r'), none, set()], 'get_id_value.id'],
    ['get_id_value_request', [string('r'), string('x'), none], 'get_id_value.nodes'],
    ['stage_configuration_request', [string('r')], 'stage_configuration.config'],
    [
      'stage_configuration_request',
      [string('r'), vector([string('c'), set(), set(none)])],
      'stage_configuration.config.nodes[0]'
    ],
    [
      'stage_configuration_request',
      [string('r'), vector([string('c'), set(vector([string('i'), none])), set()])],
      'stage_configuration.config.instances[0].host'
    ]
  ]
  for (const [name, args, place] of places) {
    t.equal(
      refusedAt(() => read(name, ...args)),
      place,
      place
    )
  }
  for (const name of [
    '',
    'deploy_request',
    'Other::deploy_request',
    'management::controller::api::deploy_request',
    `${prefix}deploy_request `,
    `${prefix}_request`,
    `${prefix}deploy_response`,
    `${prefix}test_noop_request`,
    `${prefix}__proto___request`,
    'constructor'
  ]) {
    t.match(refusal(() => decodeRequest({ name, args: vector([string('r')]) }))?.message, /is not a request/, name)
  }
  t.strictSame(
    read('deploy_request', string('r'), none, none),
    { type: 'deploy', reqid: 'r', arguments: {} },
    'arguments that are none are none'
  )
})

await t.test('what Zeek could make no event of, we cannot, and the other way round', async t => {
  let seen = 0
  for (const { name, sent, answers } of exchanges) {
    for (const [index, message] of sent.slice(1).entries()) {
      if (refusal(() => decodeData(message))) continue
      seen++
      t.equal(
        refusal(() => decodeRequest(eventOf(decodeData(message).data))) !== undefined,
        answers[index + 1]?.includes('failed to create Zeek event') === true,
        name
      )
    }
  }
  t.ok(seen > 8)
})

const nodeNames = fc.array(anyText, { maxLength: 4 })
const requests = fc.oneof(
  ...Object.entries({
    get_instances: fc.constant({}),
    stage_configuration: fc.record(
      {
        config: fc.record(
          {
            id: fc.string({ minLength: 1 }),
            instances: fc.constant([{ name: 'i' }]),
            nodes: fc.array(
              fc.record(
                { name: anyText, instance: anyText, role: fc.constantFrom('MANAGER', 'WORKER') },
                { noNullPrototype: true }
              )
            )
          },
          { noNullPrototype: true }
        )
      },
      { noNullPrototype: true }
    ),
    get_configuration: fc.record({ deployed: fc.boolean() }, { noNullPrototype: true }),
    deploy: fc.constant({}),
    get_nodes: fc.constant({}),
    get_id_value: fc.record({ id: anyText, nodes: nodeNames }, { noNullPrototype: true }),
    restart: fc.record({ nodes: nodeNames }, { noNullPrototype: true }),
    test_timeout: fc.record({ with_state: fc.boolean() }, { noNullPrototype: true })
  } satisfies Record<ZeekRequestType, fc.Arbitrary<unknown>>).map(([type, args]) =>
    fc
      .tuple(args as fc.Arbitrary<RequestArguments>, anyText)
      .map(([args, reqid]): ZeekRequest => ({ type: type as ZeekRequestType, reqid, arguments: args }))
  )
)

await t.test('any request comes back from its event', async t => {
  fc.assert(
    fc.property(requests, request => {
      const message = decodeData(encodeEvent(controllerTopic, encodeRequest(request)))
      assert.deepStrictEqual([message.topic, decodeRequest(eventOf(message.data))], [controllerTopic, request])
    }),
    { numRuns: runs(500) }
  )
  t.pass('500 requests did')
})

await t.test('any event is a request or is refused', async t => {
  const names = zeekRequestTypes.map(type => `${prefix}${type}_request`)
  const tried = { understood: 0, refused: 0 }
  const attempt = (event: () => ZeekEvent) => {
    tried[refusal(() => decodeRequest(event())) ? 'refused' : 'understood']++
  }
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom(...names), anyText),
      fc.array(fc.oneof(anyValue, fc.constantFrom(string('r'), boolean(true), set()))),
      (name, args) => attempt(() => ({ name, args: vector(args) }))
    ),
    { numRuns: runs(500) }
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...recorded),
      fc.nat(),
      fc.oneof(fc.constantFrom<unknown>(undefined, none, string(''), vector([]), set()), fc.jsonValue()),
      ({ request }, at, replacement) => {
        const changed = altered(request, at % nodesOf(request), replacement)
        attempt(() => eventOf(decodeData(JSON.stringify(changed ?? null)).data))
      }
    ),
    { numRuns: runs(1000) }
  )
  t.ok(tried.refused > 500 && tried.understood > 5, JSON.stringify(tried))
})

const success = (more: Omit<Outcome, 'success' | 'error'>): Outcome => ({ success: true, ...more })
const failure = (more: Omit<Outcome, 'success'> & { error: string }): Outcome => ({ success: false, ...more })

/** What the recorded responses say, as results of ours. The configurations are those of the frames. */
function answered(index: number): Outcome[] {
  const frame = recorded[index]!.response
  const data = () => (eventIn(frame).args as any).data[1].data
  const instance = 'agent-testbox'
  const process = { state: 'RUNNING' } as const
  switch (index) {
    case 0:
      return [success({ data: { instances: [{ name: instance, host: '127.0.0.1' }] } })]
    case 1:
      return [failure({ error: 'no staged configuration available' })]
    case 2:
      return [failure({ error: 'no deployed configuration available' })]
    case 3:
      return [
        success({
          instance,
          data: {
            nodes: [
              { node: 'controller', ...process, mgmt_role: 'CONTROLLER', pid: 1234, port: 2151 },
              { node: instance, ...process, mgmt_role: 'AGENT', pid: 1235 }
            ]
          }
        })
      ]
    case 4:
      return [failure({ error: 'no configuration available to deploy' })]
    case 5:
      return [success({ data: { id: '93f04606-e67d-11f1-aa8b-02fc00000001' } })]
    case 6:
    case 7:
    case 13:
      return [success({ data: { configuration: { id: '', ...configuration.decode(data()[3], 'c') } } })]
    case 8:
      return [
        ...['worker-01', 'proxy-01', 'worker-02', 'logger', 'manager'].map(node => success({ instance, node })),
        success({ data: { id: '93f04606-e67d-11f1-aa8b-02fc00000001' } })
      ]
    case 9:
      return [
        success({
          instance,
          data: {
            nodes: [
              {
                node: 'proxy-01',
                ...process,
                mgmt_role: 'NODE',
                cluster_role: 'PROXY',
                pid: 1383,
                port: 5123,
                metrics_port: 9002
              },
              { node: instance, ...process, mgmt_role: 'AGENT', pid: 1235 },
              { node: 'controller', ...process, mgmt_role: 'CONTROLLER', pid: 1234, port: 2151 },
              {
                node: 'worker-02',
                ...process,
                mgmt_role: 'NODE',
                cluster_role: 'WORKER',
                pid: 1384,
                metrics_port: 9004
              },
              {
                node: 'worker-01',
                ...process,
                mgmt_role: 'NODE',
                cluster_role: 'WORKER',
                pid: 1382,
                metrics_port: 9003
              },
              {
                node: 'manager',
                ...process,
                mgmt_role: 'NODE',
                cluster_role: 'MANAGER',
                pid: 1386,
                port: 2200,
                metrics_port: 9000
              },
              {
                node: 'logger',
                ...process,
                mgmt_role: 'NODE',
                cluster_role: 'LOGGER',
                pid: 1385,
                port: 2201,
                metrics_port: 9001
              }
            ]
          }
        })
      ]
    case 10:
      return ['logger', 'worker-01', 'proxy-01', 'manager', 'worker-02'].map(node =>
        success({ instance, node, data: { value: `"${node}"` } })
      )
    case 11:
      return [failure({ instance, node: 'worker-01', error: 'unknown id' })]
    case 12:
      return [success({ instance, node: 'worker-01' })]
    case 14:
      return [failure({ error: 'request timed out' })]
    case 16:
      return [
        "multiple nodes on instance 'agent-testbox' using port 5000/tcp",
        "node 'agent-testbox' port 2150/tcp conflicts with controller port",
        "node 'c' has undeclared instance name 'ghost'",
        'node and instance names collide: agent-testbox'
      ].map(error => failure({ error }))
    case 17:
      return [success({ data: { id: 'b09a646c-e67d-11f1-90e2-02fc00000001' } })]
    case 18:
      return [
        failure({ instance, error: 'request timed out' }),
        failure({
          instance,
          node: 'worker-01',
          error: "exited with code 1: fatal error: can't find nosuchscript",
          data: { stdout: '', stderr: data()[1].data[3].data[1].data }
        }),
        success({ instance, node: 'manager' }),
        success({ data: { id: 'b09a646c-e67d-11f1-90e2-02fc00000001' } })
      ]
    default:
      throw new Error(`nothing was answered to ${index}`)
  }
}

/** The same response with its own ID in every result: Zeek's agents have IDs of their own there. */
function withOneId(frame: any): any {
  const copy = structuredClone(frame)
  const [reqid, results] = copy.data[2].data[1].data
  for (const result of results.data[0]?.['@data-type'] === 'vector' ? results.data : [results]) result.data[0] = reqid
  return copy
}

await t.test("every response that was recorded is written as Zeek's controller wrote it, to the letter", async t => {
  let seen = 0
  for (const [index, { name, response }] of recorded.entries()) {
    if (!response) continue
    seen++
    const {
      data: [reqid]
    } = eventIn(response).args as any
    t.equal(
      encodeEvent(controllerTopic, encodeResponse(asked[index]![1], reqid.data, answered(index))),
      JSON.stringify(withOneId(response)),
      name
    )
  }
  t.equal(seen, 18)
})

/** The results of a response as Zeek has them, without their ID. */
function fieldsOf({ args }: ZeekEvent): unknown[][] {
  const [, results] = args.data as any[]
  return results.data.map(({ data }: any) =>
    data.slice(1).map((field: Value) => (field['@data-type'] === 'none' ? undefined : field.data))
  )
}

await t.test('three responses have one result, the others a list, which may be empty or long', async t => {
  const one = new Set<ZeekRequestType>(['get_instances', 'get_configuration', 'test_timeout'])
  for (const type of zeekRequestTypes) {
    const {
      name,
      args: { data }
    } = encodeResponse(type, 'r', [failure({ error: 'why' })])
    const result = vector([string('r'), boolean(false), none, none, string('why'), none])
    t.equal(name, `${prefix}${type}_response`)
    t.strictSame(data, [string('r'), one.has(type) ? result : vector([result])])
    if (one.has(type)) continue
    t.strictSame(encodeResponse(type, 'r', []).args, vector([string('r'), vector([])]))
    t.strictSame(fieldsOf(encodeResponse(type, '', [success({ node: 'a' }), success({ node: 'b' })])), [
      [true, undefined, undefined, undefined, 'a'],
      [true, undefined, undefined, undefined, 'b']
    ])
  }
})

await t.test("a node that was not restarted is nobody's, so that zeek-client tells why", async t => {
  const results = [
    success({ instance: 'i', node: 'a' }),
    failure({ instance: 'i', node: 'b', error: 'could not restart node b' }),
    failure({ node: 'c', error: 'unknown cluster node' }),
    failure({ instance: 'i', error: 'request timed out' })
  ]
  const given = structuredClone(results)
  t.strictSame(fieldsOf(encodeResponse('restart', 'r', results)), [
    [true, 'i', undefined, undefined, 'a'],
    [false, undefined, undefined, 'could not restart node b', 'b'],
    [false, undefined, undefined, 'unknown cluster node', 'c'],
    [false, undefined, undefined, 'request timed out', undefined]
  ])
  t.strictSame(results, given, 'the results themselves stay as they are')
})

await t.test('nodes that a deployment did not reach are told once per instance and reason, before all', async t => {
  const away = 'instance i is not connected'
  const outputs = { stdout: '', stderr: 'fatal error' }
  const results = [
    failure({ instance: 'i', node: 'a', error: away }),
    failure({ instance: 'i', node: 'b', error: away }),
    failure({ instance: 'i', node: 'c', error: 'request timed out' }),
    failure({ instance: 'j', node: 'd', error: away }),
    failure({ instance: 'j', node: 'e', error: 'it exited', data: outputs }),
    failure({ instance: 'j', error: 'an error of its own' }),
    failure({ instance: 'j', node: 'f', error: 'still starting after 18 s', data: outputs }),
    failure({ instance: 'j', node: 'g', error: 'a.zeek:1: syntax error', data: { findings: [] } }),
    success({ instance: 'j', node: 'h' }),
    success({ data: { id: 'c' } })
  ]
  const all = fieldsOf(encodeResponse('deploy', 'r', results))
  t.strictSame(all.slice(0, 5), [
    [false, 'i', undefined, away, undefined],
    [false, 'i', undefined, 'request timed out', undefined],
    [false, 'j', undefined, 'instance j: instance i is not connected', undefined],
    [false, 'j', undefined, 'request timed out: f still starting after 18 s', undefined],
    [false, 'j', undefined, 'g: a.zeek:1: syntax error', undefined]
  ])
  // Outputs speak for a node, as they do in Zeek's own results.
  t.strictSame(all.slice(5), [
    [false, 'i', undefined, away, 'a'],
    [false, 'i', undefined, away, 'b'],
    [false, 'i', undefined, 'request timed out', 'c'],
    [false, 'j', undefined, away, 'd'],
    [false, 'j', [string(''), string('fatal error')], undefined, 'e'],
    [false, 'j', undefined, 'an error of its own', undefined],
    [false, 'j', [string(''), string('fatal error')], undefined, 'f'],
    [false, 'j', undefined, 'a.zeek:1: syntax error', 'g'],
    [true, 'j', undefined, undefined, 'h'],
    [true, undefined, 'c', undefined, undefined]
  ])
})

await t.test('instance and reason are two: they do not run together', async t => {
  const results = [
    failure({ instance: 'a', node: 'x', error: 'b,c' }),
    failure({ instance: 'a,b', node: 'y', error: 'c' }),
    failure({ node: 'z', error: 'c' })
  ]
  t.equal(fieldsOf(encodeResponse('deploy', 'r', results)).length, 6)
})

await t.test('a result carries the ID of the response, not one of its own', async t => {
  const results = [
    { reqid: 'ours', ...failure({ instance: 'i', node: 'a', error: 'why' }) },
    { reqid: 'ours', ...success({}) }
  ]
  for (const type of zeekRequestTypes) {
    t.notMatch(encodeValue(encodeResponse(type, 'theirs', results).args), /ours/, type)
  }
})

await t.test('in other responses every result is as it was', async t => {
  const results = [
    failure({ instance: 'i', node: 'a', error: 'unknown id' }),
    failure({ instance: 'i', node: 'b', error: 'unknown id' })
  ]
  for (const type of ['get_id_value', 'get_nodes', 'stage_configuration'] as const) {
    t.strictSame(fieldsOf(encodeResponse(type, 'r', results)), [
      [false, 'i', undefined, 'unknown id', 'a'],
      [false, 'i', undefined, 'unknown id', 'b']
    ])
  }
})

await t.test("the texts of a node's outputs and values go through whatever is in them", async t => {
  fc.assert(
    fc.property(anyText, anyText, (one, two) => {
      const event = encodeResponse('deploy', one, [
        failure({ node: 'n', instance: 'i', error: two, data: { stdout: one, stderr: two } })
      ])
      assert.deepStrictEqual(eventOf(decodeData(encodeEvent(controllerTopic, event)).data), event)
      assert.equal(encodeValue(event.args).includes('\n'), false)
    }),
    { numRuns: runs(300) }
  )
  t.pass('300 pairs did')
})
