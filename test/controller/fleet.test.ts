import { once } from 'node:events'
import { mock } from 'node:test'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { silent } from '../support/log.js'
import { until } from '../support/until.js'
import { agentApiVersion, agentPath, type Layout } from '../../schemas/agent.js'
import { Fleet, type FleetOptions } from '../../src/controller/fleet.js'
import { Link } from '../../src/link/link.js'
import { memoryPair } from '../../src/link/transport.js'
import { dial } from '../../src/link/websocket.js'
import { digestOf, packLayout, packWhole } from '../../src/protocol/packed-layout.js'
import { configurationOf, fakeAgent, small, status, type FakeAgentOptions } from './fake-agent.js'

type Controller = Awaited<ReturnType<typeof startTestController>>
const agentOf = (t: Test, { settings }: Controller, options?: FakeAgentOptions) =>
  fakeAgent(t, settings.controller_port, options)
const follow = async (t: Test, { url }: Controller, types: string) => {
  const stream = await openStream(t, `${url}/v1/events?types=${types}`)
  await stream.next('hello')
  return stream
}
const nodeStates = (controller: Controller) =>
  Object.fromEntries(controller.controller.nodes().map(({ node, state }) => [node, state]))

/** A fleet in memory, and a way to connect to it. */
function startFleet(t: Test, options: Partial<FleetOptions> = {}) {
  const fleet = new Fleet({
    controllerName: 'controller',
    heartbeatMs: 0,
    retryMaxMs: 0,
    log: silent,
    now: () => 1000,
    ownerOf: () => undefined,
    layout: () => ({ backend: 'zeromq', nodes: [] }),
    bundles: { files: () => [], chunk: async () => '' },
    joins: { isForgotten: () => false, renew: async () => 'none' },
    dial: async () => {
      throw new Error('nobody is dialled')
    },
    ...options
  })
  t.teardown(() => fleet.close())
  const connect = async (hello: object = {}, peer = '10.0.0.1') => {
    const [ours, theirs] = memoryPair()
    fleet.accept(theirs, peer)
    const link = new Link(ours, { standby: () => [] })
    const answer = await link.ask(
      'hello',
      { api_version: agentApiVersion, name: 'a', version: '1', machine: 'm', nodes: [], ...hello },
      { timeoutMs: 5000 }
    )
    return { link, answer }
  }
  return { fleet, connect }
}

await t.test("an agent that says hello is greeted with the controller's name", async t => {
  const { fleet, connect } = startFleet(t)
  t.same((await connect()).answer, { controller: 'controller' })
  t.match(fleet.connected(), [{ name: 'a', host: '10.0.0.1', machine: 'm', connectedAt: 1000 }])
})

await t.test('an agent of the version before gets a layout packed as it knows it', async t => {
  const layout: Layout = { backend: 'zeromq', nodes: [{ name: 'a', role: 'WORKER', host: '10.0.0.1' }] }
  const { connect } = startFleet(t, { layout: () => layout })
  const packedFor = async (version: number) => {
    const { link } = await connect({ api_version: version })
    return await link.ask('layout', { digest: digestOf(layout) }, { timeoutMs: 5000 })
  }
  t.same(await packedFor(13), { packed: await packWhole(layout) })
  for (const version of [14, 15]) t.same(await packedFor(version), { packed: await packLayout(layout) })
})

await t.test(
  'one of several controllers answers hello with its term while it leads, and refuses it otherwise',
  async t => {
    let leadership = { leads: false, term: 3 }
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: line => lines.push(line) })
    const { fleet, connect } = startFleet(t, { leadership: () => leadership, log })
    const faults: string[] = []
    fleet.on('fault', message => faults.push(message))
    const [ours, theirs] = memoryPair()
    fleet.accept(theirs, '10.0.0.1')
    const link = new Link(ours, {})
    // Whoever it is: that is for the leader to judge.
    for (const hello of [{}, { api_version: 1 }]) {
      await t.rejects(connect(hello), { code: 'not_leader', message: 'controller does not lead' })
    }
    await t.rejects(link.ask('hello', {}, { timeoutMs: 5000 }), { code: 'not_leader' })
    await until(() => link.closed.aborted, 'its link is closed')
    t.equal(link.closed.reason, 'controller does not lead')
    t.same([fleet.known(), faults, lines], [[], [], []])
    leadership = { leads: true, term: 4 }
    t.same((await connect()).answer, { controller: 'controller', term: 4 })
  }
)

await t.test(
  'an advertised address wins over that of the peer, and mapped IPv4 addresses are taken as IPv4',
  async t => {
    const { fleet, connect } = startFleet(t)
    await connect({ name: 'a', host: '10.9.9.9' }, '10.0.0.1')
    await connect({ name: 'b' }, '::ffff:10.0.0.2')
    await connect({ name: 'c' }, 'fd00::1')
    t.same(
      fleet.connected().map(({ host }) => host),
      ['10.9.9.9', '10.0.0.2', 'fd00::1']
    )
  }
)

await t.test('nothing that an agent says before its hello is heeded', async t => {
  const { fleet } = startFleet(t)
  const heard: string[] = []
  fleet
    .on('change', () => {
      heard.push('change')
    })
    .on('log', () => {
      heard.push('log')
    })
    .on('fault', () => {
      heard.push('fault')
    })
  const [ours, theirs] = memoryPair()
  fleet.accept(theirs, '10.0.0.1')
  const link = new Link(ours, {})
  link.notify('change', { status: status('n'), old_state: 'PENDING', reason: '' })
  link.notify('log', { level: 'WARNING', message: '' })
  link.notify('error', { message: '' })
  await link.ask(
    'hello',
    { api_version: agentApiVersion, name: 'a', version: '1', machine: 'm', nodes: [] },
    { timeoutMs: 5000 }
  )
  t.same(heard, [])
})

await t.test('asking an instance that is not there is refused', async t => {
  const { fleet, connect } = startFleet(t)
  await t.rejects(fleet.ask('a', 'standby', {}, { timeoutMs: 1000 }), {
    code: 'unavailable',
    message: 'instance a is not connected'
  })
  const { link } = await connect()
  t.same(await fleet.ask('a', 'standby', {}, { timeoutMs: 1000 }), [])
  await link.close('bye')
  await until(() => !fleet.member('a'), 'it is lost')
  await t.rejects(fleet.ask('a', 'standby', {}, { timeoutMs: 1000 }), { message: 'instance a is not connected' })
})

await t.test('waiting for an instance ends when it connects, or when the signal aborts', async t => {
  const { fleet, connect } = startFleet(t)
  const never = fleet.when('b', AbortSignal.abort())
  const abort = new AbortController()
  const given = fleet.when('b', abort.signal)
  const waiting = fleet.when('a', new AbortController().signal)
  await connect({ name: 'c' })
  await connect()
  abort.abort()
  t.match(await waiting, { name: 'a' })
  t.same([await never, await given], [undefined, undefined])
})

await t.test('hellos that do not fit the schema are refused', async t => {
  const { fleet, connect } = startFleet(t)
  for (const hello of [
    { name: '../x' },
    { name: 5 },
    { machine: undefined },
    { host: '0.0.0.0' },
    { nodes: [{ node: 'n' }] }
  ]) {
    await t.rejects(connect(hello), { code: 'invalid_request' })
  }
  t.same(fleet.connected(), [])
})

await t.test('an agent of another version is refused, and operators hear of it', async t => {
  const controller = await startTestController(t)
  const stream = await follow(t, controller, 'notify_error,notify_agent_hello')
  await t.rejects(agentOf(t, controller, { hello: { api_version: agentApiVersion + 2 } }), { code: 'invalid_request' })
  t.match((await stream.next())?.json, {
    type: 'notify_error',
    instance: 'agent-a',
    message: `agent agent-a speaks version ${agentApiVersion + 2}, not ${agentApiVersion}`
  })
  t.same(controller.controller.instances(), [])
})

await t.test('of two agents of one name on different machines the second is refused', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller, { hello: { nodes: [status('n')] } })
  const stream = await follow(t, controller, 'notify_error')
  await t.rejects(agentOf(t, controller, { hello: { machine: 'another' } }), { code: 'invalid_request' })
  t.match((await stream.next())?.json, {
    instance: 'agent-a',
    message: 'there is an agent agent-a already, at 127.0.0.1'
  })
  t.match(await controller.ask('get_nodes'), {
    state: 'succeeded',
    results: [{ instance: 'agent-a', data: { nodes: [{ node: 'n' }] } }]
  })
})

await t.test('on the same machine the newer connection takes over, and nobody hears of a loss', async t => {
  const controller = await startTestController(t)
  const first = await agentOf(t, controller, { hello: { nodes: [status('n')] } })
  const stream = await follow(t, controller, 'notify_agent_lost,notify_agent_hello,notify_change')
  await agentOf(t, controller, { hello: { nodes: [status('n')] } })
  await until(() => first.link.closed.aborted, 'the first is closed')
  await agentOf(t, controller, { name: 'agent-z' })
  t.match((await stream.next())?.json, { type: 'notify_agent_hello', instance: 'agent-a' })
  t.match((await stream.next())?.json, { type: 'notify_agent_hello', instance: 'agent-z' })
})

await t.test(
  'of two agents of one name and machine in different directories the second is refused, and the first keeps its link',
  async t => {
    const { fleet, connect } = startFleet(t)
    const faults: string[] = []
    fleet.on('fault', message => faults.push(message))
    const { link } = await connect({ directory: '1-2' })
    await t.rejects(connect({ directory: '1-3' }), { code: 'invalid_request' })
    t.same(faults, ['there is an agent a already, at 10.0.0.1'])
    t.equal(fleet.connected().length, 1)
    t.notOk(link.closed.aborted)
    await connect({ directory: '1-2' })
    await until(() => link.closed.aborted, 'the same one has taken over')
  }
)

await t.test('an answer that comes too late is told with the request that it was for', async t => {
  const controller = await startTestController(t)
  let answer: (outcomes: object[]) => void = () => {}
  await agentOf(t, controller, {
    handlers: {
      restart: () =>
        new Promise(resolve => {
          answer = resolve
        })
    }
  })
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  const stream = await follow(t, controller, 'notify_log')
  const { reqid, state } = await controller.ask('restart', { nodes: ['worker-1', 'manager'] }, '?timeout=0.1')
  t.equal(state, 'timed_out')
  answer([
    { success: true, node: 'manager' },
    { success: false, node: 'worker-1', error: 'could not restart node worker-1' }
  ])
  t.match((await stream.next())?.json, {
    instance: 'agent-a',
    level: 'WARNING',
    message: `late answer to restart of request ${reqid}: manager: succeeded, worker-1: could not restart node worker-1`
  })
  t.equal(controller.controller.getRequest(reqid).results.length, 2)
})

await t.test('a lost agent makes its nodes UNKNOWN, and coming back returns their states', async t => {
  const controller = await startTestController(t)
  const nodes = [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), status('worker-1')]
  const agent = await agentOf(t, controller, { hello: { nodes } })
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  t.same(nodeStates(controller), { manager: 'RUNNING', 'worker-1': 'RUNNING' })
  const stream = await follow(t, controller, 'notify_agent_lost,notify_change,notify_agents_ready')
  await agent.close()
  t.match((await stream.next())?.json, { type: 'notify_agent_lost', instance: 'agent-a', reason: /./ })
  for (const node of ['manager', 'worker-1']) {
    t.match((await stream.next())?.json, {
      type: 'notify_change',
      instance: 'agent-a',
      node,
      old_state: 'RUNNING',
      new_state: 'UNKNOWN'
    })
  }
  t.same(nodeStates(controller), { manager: 'UNKNOWN', 'worker-1': 'UNKNOWN' })
  await agentOf(t, controller, { hello: { nodes } })
  t.match((await stream.next())?.json, { type: 'notify_agents_ready', instances: ['agent-a'] })
  for (const node of ['manager', 'worker-1']) {
    t.match((await stream.next())?.json, { type: 'notify_change', node, old_state: 'UNKNOWN', new_state: 'RUNNING' })
  }
  t.same(nodeStates(controller), { manager: 'RUNNING', 'worker-1': 'RUNNING' })
})

await t.test('a node says since when and why it is as it is, also once its agent is lost', async t => {
  let time = Date.parse('2026-11-22T10:00:00.000Z')
  const controller = await startTestController(t, {}, { now: () => time })
  const since = (name = 'worker-1') => {
    const { state, since, reason, responding } = controller.controller.nodes().find(({ node }) => node === name)!
    return { state, since: since?.slice(11, 19), reason, responding }
  }
  const worker = status('worker-1', 'RUNNING', {
    since: '2026-11-22T09:00:00.000Z',
    reason: 'joined the cluster',
    responding: true
  })
  const nodes = [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), worker]
  const agent = await agentOf(t, controller, { hello: { nodes } })
  await controller.ask('stage_configuration', {
    config: configurationOf(
      ['agent-a', 'agent-b'],
      [...small().nodes, { name: 'worker-2', instance: 'agent-b', role: 'WORKER', interface: 'lo' }]
    )
  })
  await controller.ask('deploy')
  t.same(since(), { state: 'RUNNING', since: '09:00:00', reason: 'joined the cluster', responding: true })
  t.same(
    since('manager'),
    { state: 'RUNNING', since: '10:00:00', reason: 'the agent reports', responding: undefined },
    'of an agent that does not say it'
  )
  t.same(since('worker-2'), {
    state: 'UNKNOWN',
    since: undefined,
    reason: 'instance agent-b has not connected since the controller was started',
    responding: undefined
  })

  const stream = await follow(t, controller, 'notify_change')
  time += 60_000
  agent.link.notify('change', {
    status: {
      ...worker,
      state: 'UNKNOWN',
      since: '2026-11-22T10:00:59.000Z',
      reason: 'has not answered for 60 s',
      responding: false
    },
    old_state: 'RUNNING',
    reason: 'has not answered for 60 s'
  })
  t.match((await stream.next())?.json, {
    node: 'worker-1',
    old_state: 'RUNNING',
    new_state: 'UNKNOWN',
    reason: 'has not answered for 60 s'
  })
  t.same(since(), { state: 'UNKNOWN', since: '10:00:59', reason: 'has not answered for 60 s', responding: false })

  time += 60_000
  await agent.close()
  t.match((await stream.next())?.json, { node: 'manager', new_state: 'UNKNOWN' })
  t.match(since('manager'), { state: 'UNKNOWN', since: '10:02:00', reason: /^the agent is lost: / })
  t.match(
    since(),
    { state: 'UNKNOWN', since: '10:00:59', reason: /^the agent is lost: /, responding: undefined },
    'nobody can say whether it answers'
  )

  time += 60_000
  await agentOf(t, controller, { hello: { nodes } })
  t.match((await stream.next())?.json, {
    node: 'manager',
    old_state: 'UNKNOWN',
    new_state: 'RUNNING',
    reason: 'the agent reports'
  })
  t.match((await stream.next())?.json, {
    node: 'worker-1',
    old_state: 'UNKNOWN',
    new_state: 'RUNNING',
    reason: 'the agent reports: joined the cluster'
  })
  t.same(
    since(),
    { state: 'RUNNING', since: '09:00:00', reason: 'joined the cluster', responding: true },
    'it is the same process'
  )
  t.same(since('manager').since, '10:03:00')
})

await t.test('changes, errors and lines of the log of an agent are told', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  const stream = await follow(t, controller, 'notify_change,notify_error,notify_log')
  agent.change('n', 'RUNNING', 'CRASHED', 'killed by SIGKILL')
  agent.link.notify('error', { message: 'the disk is full', node: 'n' })
  agent.link.notify('log', { level: 'WARNING', message: 'careful' })
  t.match((await stream.next())?.json, {
    type: 'notify_change',
    instance: 'agent-a',
    node: 'n',
    old_state: 'RUNNING',
    new_state: 'CRASHED',
    reason: 'killed by SIGKILL'
  })
  t.match((await stream.next())?.json, {
    type: 'notify_error',
    instance: 'agent-a',
    node: 'n',
    message: 'the disk is full'
  })
  t.match((await stream.next())?.json, {
    type: 'notify_log',
    instance: 'agent-a',
    level: 'WARNING',
    message: 'careful'
  })
})

await t.test('a change has the process of the node and how often it was started again, as they are then', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  const stream = await follow(t, controller, 'notify_change')
  const { pid: _pid, ...gone } = status('n', 'CRASHED')
  const change = (now: object, old: string) =>
    agent.link.notify('change', { status: now, old_state: old, reason: 'so it is' })
  change({ ...status('n'), pid: 7, restarts: 0 }, 'PENDING')
  change({ ...gone, restarts: 0 }, 'RUNNING')
  change({ ...status('n', 'PENDING'), pid: 8, restarts: 1 }, 'CRASHED')
  change(status('n', 'RUNNING', { pid: 8 }), 'PENDING')
  change(gone, 'RUNNING')
  for (const expected of [
    { new_state: 'RUNNING', pid: 7, restarts: 0 },
    { new_state: 'CRASHED', restarts: 0 },
    { new_state: 'PENDING', pid: 8, restarts: 1 },
    { new_state: 'RUNNING', pid: 8 },
    { new_state: 'CRASHED' }
  ]) {
    const { type: _type, cursor: _cursor, time: _time, ...told } = (await stream.next())!.json
    const { old_state: _old, instance: _instance, node: _node, reason: _reason, ...rest } = told
    t.same(rest, expected)
  }
  change({ ...status('n'), pid: 9, restarts: 2 }, 'CRASHED')
  await stream.next()
  await agent.close()
  t.match((await stream.next())?.json, { new_state: 'UNKNOWN', pid: 9, restarts: 2 }, 'it may still run')
})

await t.test('a notification that does not fit the schema is dropped, and the link stays', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  const stream = await follow(t, controller, 'notify_change')
  agent.link.notify('change', { status: status('../etc'), old_state: 'RUNNING', reason: '' })
  agent.link.notify('change', { status: { ...status('n'), state: 'HAPPY' }, old_state: 'RUNNING', reason: '' })
  agent.change('n', 'RUNNING', 'STOPPED')
  t.match((await stream.next())?.json, { node: 'n', new_state: 'STOPPED' })
})

await t.test('a socket that never says hello is no instance', async t => {
  const controller = await startTestController(t)
  const transport = await dial(
    `ws://127.0.0.1:${controller.settings.controller_port}${agentPath}`,
    new AbortController().signal
  )
  transport.receive({ message: () => {}, closed: () => {} })
  t.teardown(() => transport.close('bye'))
  await agentOf(t, controller, { name: 'agent-z' })
  t.match(controller.controller.instances(), [{ name: 'agent-z' }])
})

await t.test('a link without a hello ends after a while, one with it stays', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const { fleet, connect } = startFleet(t)
  const { link: known } = await connect()
  const [ours, theirs] = memoryPair()
  const silent = fleet.accept(theirs, '10.0.0.1')
  const other = new Link(ours, {})
  mock.timers.tick(60_000)
  await once(silent.closed, 'abort')
  t.equal(silent.closed.reason, 'there was no hello')
  if (!other.closed.aborted) await once(other.closed, 'abort')
  t.notOk(known.closed.aborted)
})
