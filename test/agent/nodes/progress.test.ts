import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestAgent } from '../../support/agent.js'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { until } from '../../support/until.js'

const config = (env: Record<string, string>) => ({
  instances: [{ name: 'agent-a' }],
  nodes: [
    { name: 'manager', instance: 'agent-a', role: 'MANAGER' },
    { name: 'worker-1', instance: 'agent-a', role: 'WORKER', interface: 'lo', env }
  ]
})

async function deployed(
  t: Parameters<typeof startTestController>[0],
  env: Record<string, string> = {},
  flags: Record<string, string> = {}
) {
  const controller = await startTestController(t)
  const agent = await startTestAgent(t, 'agent-a', controller.settings.controller_port, {
    'agent-progress-interval': '0.1',
    ...flags
  })
  await until(() => controller.controller.instances()[0]?.connected, 'it is connected')
  await controller.ask('stage_configuration', { config: config(env) })
  const { state, results } = await controller.ask('deploy', { check: false })
  if (state !== 'succeeded') throw new Error(JSON.stringify(results))
  const stream = await openStream(t, `${controller.url}/v1/events`)
  await stream.next('hello')
  /** The events of the next request, until its response. */
  const events = async () =>
    (await stream.collect(({ type }) => /_response$/.test(type))).map(({ json }) => json).filter(({ reqid }) => reqid)
  return { ...controller, agent, events }
}

await t.test('a node that takes long to join is told as progress while it starts', async t => {
  const { ask, agent, events } = await deployed(t)
  await ask('stop', { nodes: ['worker-1'] })
  await events()
  writeFileSync(join(agent.settings.management_state_dir, 'nodes', 'worker-1', 'stand-in'), 'hang')
  t.match((await ask('start', {}, '?timeout=2')).results, [
    { node: 'manager', success: true },
    { node: 'worker-1', error: /^still starting after [0-2] s$/ }
  ])
  const waiting = (await events()).filter(({ waiting }) => waiting !== undefined)
  t.match(waiting[0], {
    type: 'request_progress',
    instance: 'agent-a',
    results: [],
    waiting: [{ node: 'worker-1', state: 'starting', seconds: 0 }]
  })
  t.ok(
    waiting.every(({ waiting }) => waiting.length === 1),
    'nobody waits for the manager'
  )
  t.ok(waiting.length > 1, 'more than once')
})

await t.test('a node that is being stopped is told as progress', async t => {
  const { ask, events } = await deployed(t, { STAND_IN: 'ignore-term' })
  t.equal((await ask('stop')).state, 'succeeded')
  t.match((await events()).find(({ waiting }) => waiting !== undefined)?.waiting, [
    { node: 'worker-1', state: 'stopping', seconds: 0 }
  ])
})

await t.test('a rolling restart waits for nodes that take long to join, as long as their agent says', async t => {
  const { ask, events } = await deployed(t, { STAND_IN: 'slow=1500' }, { 'agent-start-timeout': '45' })
  t.match(await ask('restart', { strategy: 'rolling' }), {
    state: 'succeeded',
    results: [{ node: 'manager' }, { node: 'worker-1' }]
  })
  const [request, ...others] = await events()
  // Of two steps a stop, a start, and what lies between.
  t.equal(Math.round((Date.parse(request.expires_at) - Date.parse(request.time)) / 1000), 2 * (2 + 45 + 5))
  t.ok(
    others.some(({ waiting }) => waiting?.[0].node === 'worker-1' && waiting[0].state === 'starting'),
    'which is told meanwhile'
  )
})
