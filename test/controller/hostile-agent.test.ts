import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { agentApiVersion, agentPath } from '../../schemas/agent.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { configurationOf, fakeAgent, manager, worker, type FakeAgentOptions } from './fake-agent.js'

/** What an agent in the wrong hands can do to the controller, to other agents, and to who reads events. */

type Controller = Awaited<ReturnType<typeof startTestController>>

/** A socket to the agents' port, without a link: it sends what it likes. */
async function rawAgent(t: Test, { settings }: Controller) {
  const socket = new WebSocket(`ws://127.0.0.1:${settings.controller_port}${agentPath}`)
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  const closed = once(socket, 'close').then(([code, reason]) => ({ code: Number(code), reason: String(reason) }))
  return {
    socket,
    closed,
    send: (frame: unknown) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    /** The next frame that is no ping. */
    next: async (): Promise<any> => {
      for (;;) {
        const frame = JSON.parse(String((await once(socket, 'message'))[0]))
        if (!('ping' in frame)) return frame
      }
    }
  }
}

const hello = { api_version: agentApiVersion, name: 'agent-b', version: '1', machine: 'm', nodes: [] as object[] }

/** A controller with two instances deployed: agent-a is honest, agent-b has these handlers. */
async function twoInstances(t: Test, options: FakeAgentOptions = {}) {
  const controller = await startTestController(t)
  await fakeAgent(t, controller.settings.controller_port)
  const hostile = await fakeAgent(t, controller.settings.controller_port, { name: 'agent-b', ...options })
  const nodes = [manager(), worker('worker-1'), worker('worker-2', 'agent-b')]
  await controller.ask('stage_configuration', { config: configurationOf(['agent-a', 'agent-b'], nodes) })
  const { state } = await controller.ask('deploy', { check: false })
  t.equal(state, 'succeeded')
  return { controller, hostile }
}

const unprintable = { valueOf: 1, toString: 1 }
const frames: unknown[] = [
  { ask: 1, method: 'x', timeout: unprintable },
  { ask: unprintable, method: 'hello', params: {}, timeout: 1 },
  { ask: 1, method: unprintable, timeout: 1 },
  { ask: 1, method: '__proto__', params: {}, timeout: Infinity },
  { answer: 1, error: { code: 'internal', message: unprintable } },
  { answer: 1, error: { code: unprintable, message: '' } },
  { part: 1, value: 1, extra: 1 },
  { cancel: '1' },
  { notify: 'log', params: {}, __proto__: null, constructor: 1 },
  [],
  null,
  'text',
  '{"ask":1',
  `${'['.repeat(200_000)}${']'.repeat(200_000)}`
]

await t.test('no frame ends the controller, before a hello or after it: a wrong one ends its link', async t => {
  const controller = await startTestController(t)
  for (const isKnown of [false, true]) {
    for (const frame of frames) {
      const agent = await rawAgent(t, controller)
      if (isKnown) {
        agent.send({ ask: 1, method: 'hello', params: hello, timeout: 5000 })
        t.match(await agent.next(), { answer: 1, result: { controller: 'controller' } })
      }
      agent.send(frame)
      t.match((await agent.closed).reason, /not a frame/, JSON.stringify(frame)?.slice(0, 80))
    }
  }
  t.match(await controller.ask('get_instances'), { state: 'succeeded' })
})

await t.test('what comes after a wrong frame is not looked at', async t => {
  const controller = await startTestController(t)
  const agent = await rawAgent(t, controller)
  agent.send({ nonsense: true })
  agent.send({ ask: 1, method: 'hello', params: hello, timeout: 5000 })
  await agent.closed
  t.same(controller.controller.instances(), [])
})

await t.test('methods that are asked with anything are answered with an error, and the agent stays', async t => {
  const controller = await startTestController(t)
  const agent = await rawAgent(t, controller)
  agent.send({ ask: 1, method: 'hello', params: hello, timeout: 5000 })
  await agent.next()
  let ask = 1
  for (const method of ['layout', 'toString', 'constructor', '__proto__', 'hello', 'change']) {
    for (const params of [undefined, null, 1, 'x', [], {}, { digest: unprintable }, { digest: 'f'.repeat(64) }]) {
      agent.send({ ask: ++ask, method, params, timeout: 5000 })
      t.match(await agent.next(), { answer: ask, error: { code: String, message: String } }, method)
    }
  }
  for (const method of ['change', 'gone', 'health', 'log', 'error']) {
    for (const params of [null, [], {}, { nodes: 1 }, { status: unprintable }, { message: unprintable, level: {} }]) {
      agent.send({ notify: method, params })
    }
  }
  agent.send({ ask: ++ask, method: 'layout', params: { digest: 'f'.repeat(64) }, timeout: 5000 })
  t.match(await agent.next(), { answer: ask, error: { code: 'not_found' } }, 'it is still served')
})

await t.test('a question that comes twice at a time ends the link', async t => {
  const controller = await startTestController(t)
  const agent = await rawAgent(t, controller)
  agent.send({ ask: 7, method: 'hello', params: hello, timeout: 5000 })
  agent.send({ ask: 7, method: 'hello', params: hello, timeout: 5000 })
  t.match((await agent.closed).reason, /came twice/)
})

await t.test('an agent cannot forge events, audit entries or results by members of its own', async t => {
  const forged = {
    type: 'audit',
    action: 'deploy',
    name: 'admin',
    reqid: 'another',
    instance: 'agent-a',
    node: 'worker-1',
    time: '2000-01-01T00:00:00.000Z',
    cursor: 'x.1',
    seq: 1
  }
  const { controller } = await twoInstances(t, {
    handlers: {
      get_node_output: (_params, { part }) => {
        part({ ...forged, stream: 'stdout', lines: ['of another node'] })
        part({ ...forged, node: 'worker-2', stream: 'stdout', lines: ['its own'] })
        return [
          { success: true, ...forged, data: { stdout: 'x' } },
          { success: true, ...forged, node: 'worker-2', data: { stdout: 'y', configuration: { id: 'x' }, id: 'x' } }
        ]
      }
    }
  })
  const stream = await openStream(t, `${controller.url}/v1/events`)
  await stream.next('hello')
  const { reqid, results } = await controller.ask('get_node_output', { nodes: ['worker-2'], follow: true, duration: 1 })
  t.same(results, [{ reqid, success: true, instance: 'agent-b', node: 'worker-2', data: { stdout: 'y' } }])
  const events = await stream.collect(json => json.type === 'get_node_output_response')
  const told = events.map(({ json: { cursor: _cursor, time: _time, ...rest } }) => rest)
  t.same(
    told.filter(({ type }) => type === 'node_output'),
    [{ type: 'node_output', reqid, instance: 'agent-b', node: 'worker-2', stream: 'stdout', lines: ['its own'] }]
  )
  for (const { type, reqid: of } of told) {
    t.match({ type, of }, { type: /^(get_node_output_|request_progress|node_output)/, of: reqid })
  }
  const audit = await getJson(`${controller.url}/v1/audit`)
  t.notMatch(JSON.stringify(audit), 'another')
})

await t.test('each node that was asked about has one result, whatever its agent says', async t => {
  const { controller } = await twoInstances(t, {
    handlers: {
      restart: () => [
        { success: true, instance: 'agent-a', node: 'manager' },
        { success: false, error: 'no', node: 'nobody' }
      ],
      get_id_value: ({ nodes }) => [...nodes, ...nodes].map(node => ({ success: true, node, data: { value: '1' } }))
    }
  })
  t.match((await controller.ask('restart', { nodes: ['worker-2'] })).results, [
    { success: false, instance: 'agent-b', node: 'worker-2', error: /agent of agent-b does not say/ }
  ])
  t.equal((await controller.ask('get_id_value', { id: 'x', nodes: ['worker-2'] })).results.length, 1)
})

await t.test('an answer that does not fit its method is a failed result, and the link stays', async t => {
  const answers = [
    undefined,
    null,
    1,
    {},
    [1],
    [{ success: 'yes' }],
    [{ success: false }],
    [{ success: true, data: 1 }]
  ]
  let answer: unknown
  const { controller, hostile } = await twoInstances(t, { handlers: { get_id_value: () => answer } })
  for (answer of answers) {
    const { state, results } = await controller.ask('get_id_value', { id: 'x', nodes: ['worker-2'] })
    t.match({ state, results }, { state: 'failed', results: [{ instance: 'agent-b', error: /^agent-b/ }] })
  }
  t.notOk(hostile.link.closed.aborted)
})

await t.test('what a followed node tells ends with what was asked for', async t => {
  const { controller } = await twoInstances(t, {
    handlers: {
      get_node_output: (_params, { part }) => {
        for (let n = 0; n < 100; n++) part({ node: 'worker-2', stream: 'stdout', lines: ['x'.repeat(20_000)] })
        return []
      },
      get_node_stats: (_params, { part }) => {
        const sample = { time: new Date().toISOString(), pid: 1, uptime: 1, cpu_seconds: 1, memory_bytes: 1 }
        for (let n = 0; n < 100; n++) {
          part([
            { node: 'worker-2', ...sample },
            { node: 'manager', ...sample }
          ])
        }
        return []
      }
    }
  })
  const eventsOf = async (reqid: string, type: string) =>
    (await (await openStream(t, `${controller.url}/v1/requests/${reqid}/events`)).collect()).filter(
      ({ json }) => json.type === type
    )
  const output = await controller.ask('get_node_output', {
    nodes: ['worker-2'],
    lines: 5,
    follow: true,
    duration: 1,
    max_lines: 20
  })
  const lines = (await eventsOf(output.reqid, 'node_output')).flatMap(({ json }) => json.lines)
  // Five of each output that are there, and twenty that come.
  t.equal(lines.length, 30)
  t.ok(lines.every(({ length }) => length <= 16_384))
  const stats = await controller.ask('get_node_stats', { nodes: ['worker-2'], watch: true, duration: 2, interval: 1 })
  const samples = (await eventsOf(stats.reqid, 'node_stats')).flatMap(({ json }) => json.stats)
  t.equal(samples.length, 4)
  t.ok(samples.every(({ node }) => node === 'worker-2'))
})

await t.test('a hello of twenty megabytes is neither told nor kept', async t => {
  const controller = await startTestController(t)
  const stream = await openStream(t, `${controller.url}/v1/events`)
  await stream.next('hello')
  for (const [said, complaint] of [
    [{ name: 'x'.repeat(20_000_000) }, undefined],
    [{ name: 'x'.repeat(15_000_000) }, 'an agent has no valid name'],
    [{ name: unprintable }, 'an agent has no valid name'],
    [{ machine: 'x'.repeat(1_000_000) }, 'agent agent-b: hello/machine must NOT have more than 128 characters'],
    [{ api_version: 'x'.repeat(1_000_000) }, `agent agent-b speaks no version, not ${agentApiVersion}`],
    [{ nodes: Array(10_001).fill({}) }, 'agent agent-b: hello/nodes must NOT have more than 10000 items']
  ] as const) {
    const agent = await rawAgent(t, controller)
    agent.send({ ask: 1, method: 'hello', params: { ...hello, ...said }, timeout: 5000 })
    await agent.closed
    if (complaint !== undefined) t.equal((await stream.next('notify_error'))?.json.message, complaint)
  }
  const agent = await rawAgent(t, controller)
  agent.send({
    ask: 1,
    method: 'hello',
    params: {
      ...hello,
      version: 'x'.repeat(1_000_000),
      nodes: [{ node: 'w', state: 'FAILED', mgmt_role: 'NODE', reason: 'y'.repeat(1_000_000), extra: 'z' }]
    },
    timeout: 5000
  })
  t.equal((await stream.next('notify_agent_hello'))?.json.version, `${'x'.repeat(63)}…`)
  t.equal((await stream.next('notify_change'))?.json.reason.length, 2048 + 'the agent reports: '.length)
})

await t.test('invented processes do not fill the list of nodes', async t => {
  const { controller, hostile } = await twoInstances(t)
  for (const role of ['AGENT', 'CONTROLLER', 'NODE']) {
    for (let n = 0; n < 1500; n++) {
      const status = { node: `${role}-${n}`, state: 'RUNNING', mgmt_role: role }
      hostile.link.notify('change', { status, old_state: 'RUNNING', reason: '' })
    }
  }
  hostile.change('worker-2', 'RUNNING', 'CRASHED')
  const nodes = () => controller.controller.nodes()
  await until(() => nodes().some(({ node, state }) => node === 'worker-2' && state === 'CRASHED'), 'it is told')
  t.equal(nodes().length, 3 + 16)
  t.ok(nodes().every(({ node, instance }) => node !== 'worker-1' || instance === 'agent-a'))
})

await t.test('an agent that tells too much is left out, and one event says how much', async t => {
  const { controller, hostile } = await twoInstances(t)
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_log,notify_error`)
  await stream.next('hello')
  const line = { level: 'WARNING', message: 'm'.repeat(100_000) }
  for (let n = 0; n < 6000; n++) hostile.link.notify('log', { ...line, message: n < 2 ? line.message : `${n}` })
  const events = await stream.collect(({ type }) => type === 'notify_error')
  const logs = events.filter(({ json }) => json.type === 'notify_log')
  t.ok(logs.length >= 4900 && logs.length <= 5300, `${logs.length} lines`)
  t.equal(logs[0]?.json.message, `${'m'.repeat(4095)}…`)
  t.match(events.at(-1)?.json, { instance: 'agent-b', message: /^\d+ events of instance agent-b were left out: / })
  t.equal((await controller.ask('get_instances')).state, 'succeeded')
})

await t.test('an error is told of a node of its own only', async t => {
  const { controller, hostile } = await twoInstances(t)
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_error`)
  await stream.next('hello')
  hostile.link.notify('error', { message: 'of another', node: 'worker-1' })
  hostile.change('worker-2', 'PENDING', 'RUNNING')
  hostile.link.notify('error', { message: 'its own', node: 'worker-2', instance: 'agent-a' })
  t.same(
    (await stream.collect(({ message }) => message === 'its own')).map(({ json: { instance, node } }) => ({
      instance,
      node
    })),
    [
      { instance: 'agent-b', node: undefined },
      { instance: 'agent-b', node: 'worker-2' }
    ]
  )
})

await t.test('the instances of a request share what its results may hold', async t => {
  const said: number[] = []
  const tell = ({ max_bytes: bytes }: { max_bytes: number }) => {
    said.push(bytes)
    return []
  }
  const { controller } = await twoInstances(t, { handlers: { get_id_value: tell, get_node_output: tell } })
  for (const nodes of [['worker-2'], ['manager', 'worker-2']]) {
    await controller.ask('get_id_value', { id: 'x', nodes })
    await controller.ask('get_node_output', { nodes })
  }
  t.same(said, [8_388_608, 8_388_608, 4_194_304, 4_194_304])
})

await t.test('of the last hour no more points are taken than there can be, nor what a point has not', async t => {
  const point = { time: '2026-11-22T14:48:56.123Z', cpu_percent: 1 }
  let history: unknown
  const stats = { node: 'worker-2', time: point.time, pid: 1, uptime: 1, cpu_seconds: 1, memory_bytes: 1 }
  const { controller } = await twoInstances(t, {
    handlers: { get_node_stats: () => [{ success: true, node: 'worker-2', data: { stats, history } }] }
  })
  for (const [said, expected] of [
    [[{ ...point, more: 'x' }], { success: true, data: { history: [point] } }],
    [Array(181).fill(point), { success: false, data: undefined }],
    [[{ ...point, memory_bytes: -1 }], { success: false }],
    [[{ ...point, time: 'now' }], { success: false }],
    ['x', { success: false }]
  ] as const) {
    history = said
    const { results } = await controller.ask('get_node_stats', { nodes: ['worker-2'], history: true })
    t.match(results, [{ node: 'worker-2', ...expected }])
    t.same(Object.keys(results[0]?.data?.history?.[0] ?? {}), expected.success ? ['time', 'cpu_percent'] : [])
  }
})

await t.test('a health report counts each node of its own once, whatever else is in it', async t => {
  const { controller, hostile } = await twoInstances(t)
  hostile.change('worker-2', 'PENDING', 'RUNNING')
  const [unseen, file] = [Array(1000).fill('manager'), (n: number) => `${n}`.padEnd(4000, 'x')]
  hostile.link.notify('health', {
    nodes: [
      ...Array.from({ length: 1000 }, () => ({ node: 'worker-2', unseen })),
      { node: 'worker-1', dropped_percent: 90 }
    ],
    drift: Array.from({ length: 300 }, (_, n) => ({ node: 'worker-2', pid: 1, files: [file(n)] })),
    fan_out: [{ interface: 'lo', nodes: ['manager', 'worker-1'], duplicated: true }],
    file_systems: Array.from({ length: 100 }, (_, n) => ({
      path: file(n),
      holds: [],
      size_bytes: 100,
      free_bytes: 0
    })),
    archive: undefined
  })
  const health = () => getJson(`${controller.url}/v1/health`)
  await until(async () => (await health()).reasons.some(({ code }: any) => code === 'disk_full'), 'it has come')
  const { reasons } = await health()
  const count = (code: string) => reasons.filter((reason: any) => reason.code === code).length
  t.same([count('drift'), count('disk_full'), count('duplicated'), count('packets_dropped')], [1, 20, 0, 0])
  t.ok(JSON.stringify(reasons).length < 50_000)
})

await t.test('a node of another instance is not spoken for, and numbers that are none are refused', async t => {
  const { controller, hostile } = await twoInstances(t)
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_change,notify_error`)
  await stream.next('hello')
  hostile.change('worker-1', 'RUNNING', 'CRASHED')
  for (const pid of [1e300, -1, 2 ** 40, 1.5]) {
    const status = { node: 'worker-2', state: 'FAILED', mgmt_role: 'NODE', pid }
    hostile.link.notify('change', { status, old_state: 'RUNNING', reason: '' })
  }
  hostile.link.notify('error', { message: 'of another', node: 'worker-1' })
  hostile.change('worker-2', 'PENDING', 'RUNNING')
  const told = await stream.collect(({ type }) => type === 'notify_change')
  t.same(
    told.map(({ json: { type, node } }) => [type, node]),
    [
      ['notify_error', undefined],
      ['notify_change', 'worker-2']
    ]
  )
  t.equal((await controller.ask('get_nodes')).state, 'succeeded')
})

await t.test('what is long counts for more: steps, lines and late answers do not fill the log', async t => {
  let held: ((answer: unknown) => void) | undefined
  const { controller, hostile } = await twoInstances(t, {
    handlers: {
      restart: (_params, { part }) => {
        for (let n = 0; n < 20; n++) part(Array(9000).fill({ node: 'worker-2', state: 'starting', seconds: 1 }))
        return []
      },
      get_id_value: () =>
        new Promise(resolve => {
          held = resolve
        })
    }
  })
  hostile.change('worker-2', 'RUNNING', 'PENDING')
  const stream = await openStream(t, `${controller.url}/v1/events`)
  await stream.next('hello')
  await controller.ask('restart', { nodes: ['worker-2'] })
  const steps = (await stream.collect(({ type }) => type === 'restart_response')).flatMap(
    ({ json }) => json.waiting ?? []
  )
  t.ok(steps.length <= 20, `${steps.length} steps`)
  await controller.ask('get_id_value', { id: 'x', nodes: ['worker-2'] }, '?timeout=0.2')
  held?.(Array.from({ length: 1900 }, (_, n) => ({ success: false, node: `w${n}`, error: `${n}`.padEnd(8000, 'e') })))
  const late = await stream.next('notify_log')
  t.ok(late!.json.message.length < 2200, `${late?.json.message.length}`)
  const message = '\u0001'.repeat(4096)
  for (let n = 0; n < 1000; n++) hostile.link.notify('log', { level: 'ERROR', message })
  const lines = await stream.collect(({ type }) => type === 'notify_error')
  t.ok(lines.length < 150, `${lines.length} lines of 24 KB`)
})
