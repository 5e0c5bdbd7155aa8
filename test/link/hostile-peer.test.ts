import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import { WebSocket } from 'ws'
import { agentApiVersion, agentMethods, agentPath, controllerMethods, type Hello } from '../../schemas/agent.js'
import { requests as requestTypes, type RequestType } from '../../schemas/api.js'
import { ClusterEvent } from '../../schemas/events.js'
import { checker } from '../../schemas/validator.js'
import { configurationOf, fakeAgent, manager, worker } from '../controller/fake-agent.js'
import { startTestAgent } from '../support/agent.js'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { nasty } from '../support/nasty.js'
import { listenForLinks } from '../support/link-listener.js'
import { runs } from '../support/runs.js'
import { almostFitting } from '../support/schema-values.js'
import { until } from '../support/until.js'

/** Both ends of a link, against a peer that says anything: as frames, as parameters, as parts and as answers. */

const checkEvent = checker(ClusterEvent, errors => new Error(JSON.stringify(errors)))
const keysOf = <T extends object>(of: T) => Object.keys(of) as (keyof T & string)[]

/** A frame as a text, and what is left of one after an accident. */
const anyFrame = (methods: typeof agentMethods | typeof controllerMethods) =>
  fc.oneof(
    nasty,
    fc.json(),
    fc
      .constantFrom(...keysOf(methods))
      .chain(method =>
        almostFitting((methods as Record<string, { params: any }>)[method]!.params).chain(params =>
          fc.constantFrom<object>(
            { ask: 9, method, params, timeout: 100 },
            { notify: method, params },
            { part: 1, value: params },
            { answer: 1, result: params },
            { answer: 1, error: params },
            { ask: params, method, timeout: params }
          )
        )
      )
      .map(frame => JSON.stringify(frame)),
    fc
      .tuple(fc.constantFrom('{"ask":1,"method":"hello","params":{},"timeout":1}', '{"ping":true}'), fc.nat(), nasty)
      .map(([text, at, what]) => text.slice(0, at % text.length) + what + text.slice(at % text.length))
  )

/** The other agent has no heartbeat, and is not to be lost. */
const quiet = { 'management-heartbeat': '600' }
const hello: Hello = { api_version: agentApiVersion, name: 'agent-b', version: '1', machine: 'm', nodes: [] }

await t.test(
  'a controller outlives whatever an agent sends, and tells nothing but events that are so described',
  async t => {
    const controller = await startTestController(t, quiet)
    await fakeAgent(t, controller.settings.controller_port)
    const events = await openStream(t, `${controller.url}/v1/events`)
    const audit = await openStream(t, `${controller.url}/v1/audit/events`)
    await events.next('hello')
    await audit.next('hello')
    const before = (await controller.ask('get_instances')).reqid
    await events.collect(({ type, reqid }) => type === 'get_instances_response' && reqid === before)
    const send = async (frames: readonly string[], isKnown: boolean) => {
      const socket = new WebSocket(`ws://127.0.0.1:${controller.settings.controller_port}${agentPath}`)
      socket.on('error', () => {})
      const closed = once(socket, 'close')
      await once(socket, 'open')
      if (isKnown) socket.send(JSON.stringify({ ask: 1, method: 'hello', params: hello, timeout: 1000 }))
      for (const frame of frames) socket.send(frame)
      socket.close()
      await closed
    }
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame(controllerMethods), { minLength: 1, maxLength: 8 }), fc.boolean(), send),
      { numRuns: runs(60) }
    )
    const { reqid, state } = await controller.ask('get_instances')
    t.equal(state, 'succeeded')
    const told = await events.collect(json => json.type === 'get_instances_response' && json.reqid === reqid)
    for (const { json } of told) {
      checkEvent(json, '')
      t.match(json.type, /^(notify_|get_instances_)/)
      if (json.instance !== undefined) {
        t.ok(json.instance !== 'agent-a' && json.node !== 'manager', JSON.stringify(json))
      }
    }
    audit.close()
    const entries = await audit.collect()
    t.ok(
      entries.every(({ json }) => json.action === 'connect_agent'),
      'nothing is forged'
    )
  }
)

await t.test('a controller takes from parts and answers only what it has asked for', async t => {
  const controller = await startTestController(t, quiet)
  let next: { parts: readonly unknown[]; answer: unknown } = { parts: [], answer: [] }
  const anything = (_params: unknown, { part }: { part: (value: unknown) => void }) => {
    for (const value of next.parts) part(value)
    return next.answer
  }
  await fakeAgent(t, controller.settings.controller_port)
  await fakeAgent(t, controller.settings.controller_port, {
    name: 'agent-b',
    handlers: Object.fromEntries(keysOf(agentMethods).map(method => [method, anything]))
  })
  const nodes = [manager(), worker('worker-1', 'agent-b')]
  await controller.ask('stage_configuration', { config: configurationOf(['agent-a', 'agent-b'], nodes) })
  await controller.ask('deploy', { check: false })
  const stream = await openStream(t, `${controller.url}/v1/events`)
  await stream.next('hello')
  const asked: Partial<Record<keyof typeof agentMethods, object>> = {
    get_id_value: { id: 'x', nodes: ['worker-1'] },
    get_node_output: { nodes: ['worker-1'], follow: true, duration: 1, max_lines: 5 },
    get_node_stats: { nodes: ['worker-1'], watch: true, duration: 1 },
    get_instance_stats: { instances: ['agent-b'] },
    diagnose: { nodes: ['worker-1'] },
    start: { nodes: ['worker-1'] },
    stop: { nodes: ['worker-1'] },
    restart: { nodes: ['worker-1'] },
    check: { deployed: true, nodes: ['worker-1'] }
  }
  const one = fc.constantFrom(...keysOf(asked)).chain(method => {
    const { part, answer } = agentMethods[method] as { part?: any; answer: any }
    return fc.record({
      method: fc.constant(method as RequestType),
      parts: part ? fc.array(almostFitting(part), { maxLength: 5 }) : fc.constant([]),
      answer: almostFitting(answer)
    })
  })
  await fc.assert(
    fc.asyncProperty(one, async ({ method, ...what }) => {
      next = what
      const { reqid, results } = await controller.ask(method, asked[method as keyof typeof asked])
      for (const result of results) {
        if (result.reqid !== reqid || result.instance !== 'agent-b') throw new Error(JSON.stringify(result))
        if (![undefined, 'worker-1'].includes(result.node)) throw new Error(JSON.stringify(result))
      }
      if (method !== 'get_instance_stats' && results.length !== 1) throw new Error(`${results.length} results`)
      const told = await stream.collect(json => json.reqid === reqid && json.type === `${method}_response`)
      for (const { json } of told) {
        checkEvent(json, '')
        if (json.reqid !== reqid || ![undefined, 'agent-b'].includes(json.instance)) {
          throw new Error(JSON.stringify(json))
        }
      }
      const lines = told.flatMap(({ json }) => (json.type === 'node_output' ? json.lines : []))
      if (lines.length > 5) throw new Error(`${lines.length} lines`)
    }),
    { numRuns: runs(100) }
  )
  t.ok(Object.keys(asked).every(method => method in requestTypes))
})

await t.test('an agent outlives whatever a controller sends', async t => {
  let frames: readonly string[] = []
  let ended = () => {}
  const { port } = await listenForLinks(t, transport => {
    transport.receive({
      message: text => {
        const frame = JSON.parse(text)
        if (frame.method !== 'hello') return
        transport.send(JSON.stringify({ answer: frame.ask, result: { controller: 'controller' } }))
        for (const each of frames) transport.send(each)
        void transport.close('that was all')
      },
      closed: () => ended()
    })
  })
  let connections = 0
  const closed = () =>
    new Promise<void>(resolve => {
      ended = () => {
        connections++
        resolve()
      }
    })
  const agent = await startTestAgent(t, 'agent-b', port, { 'management-retry-max': '0.01' })
  await fc.assert(
    fc.asyncProperty(fc.array(anyFrame(agentMethods), { minLength: 1, maxLength: 8 }), async some => {
      frames = some
      await closed()
    }),
    { numRuns: runs(40) }
  )
  frames = []
  const so = connections
  ended = () => connections++
  await until(() => connections > so, 'it connects again')
  await agent.close()
})
