import t, { type Test } from 'tap'
import type { InstanceNode } from '../../../schemas/api.js'
import type { HealthReport } from '../../../schemas/operations.js'
import { drifted } from '../../../src/controller/cluster/outdated.js'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { until } from '../../support/until.js'
import { configurationOf, fakeAgent, manager, small, stateDir, status, worker } from '../fake-agent.js'

type Controller = Awaited<ReturnType<typeof startTestController>>
const running = [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), status('worker-1')]
const agentOf = (t: Test, { settings }: Controller, host: string, more: Parameters<typeof fakeAgent>[2] = {}) =>
  fakeAgent(t, settings.controller_port, { ...more, hello: { host, nodes: running } })
const reasonsOf = ({ controller }: Controller, code = 'redeploy_needed') =>
  controller.health.reasons.filter(reason => reason.code === code)

await t.test(
  'an instance with another address needs a deployment, also after a restart of the controller, until there was one',
  async t => {
    const directory = stateDir(t)
    const first = await startTestController(t, { 'management-state-dir': directory })
    const agent = await agentOf(t, first, '127.0.0.1')
    await first.ask('stage_configuration', { config: small() })
    await first.ask('deploy')
    t.same(first.controller.health, { ready: true, reasons: [] })
    await agent.close()
    const moved = await agentOf(t, first, '127.0.0.2')
    await moved.question('deploy')
    const reason = {
      code: 'redeploy_needed',
      instance: 'agent-a',
      message: 'the address of instance agent-a has changed from 127.0.0.1 to 127.0.0.2; deploy again'
    }
    t.same(first.controller.health, { ready: false, reasons: [reason] })
    await first.close()

    const second = await startTestController(t, { 'management-state-dir': directory })
    t.same(reasonsOf(second), [reason], 'nobody needs to connect for it')
    const stream = await openStream(t, `${second.url}/v1/events?types=notify_error,deploy_response`)
    await stream.next('hello')
    const back = await agentOf(t, second, '127.0.0.2')
    await back.question('deploy')
    t.same(reasonsOf(second), [reason])
    t.equal((await second.ask('deploy')).state, 'succeeded')
    t.same(second.controller.health, { ready: true, reasons: [] })
    t.equal((await stream.next())?.json.type, 'deploy_response', 'it was told before')
  }
)

await t.test('an instance that is back at its address needs none', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller, '127.0.0.1')
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  for (const [host, count] of [
    ['127.0.0.2', 1],
    ['127.0.0.1', 0]
  ] as const) {
    await (await agentOf(t, controller, host)).question('deploy')
    t.equal(reasonsOf(controller).length, count, host)
  }
})

await t.test('an instance that comes after its deployment needs another one', async t => {
  const controller = await startTestController(t, { 'controller-connect-grace': '0.3' })
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_error`)
  await stream.next('hello')
  await agentOf(t, controller, '127.0.0.1')
  await controller.ask('stage_configuration', {
    config: configurationOf(['agent-a', 'agent-b', 'agent-c'], [manager(), worker('worker-1', 'agent-b')], 'c')
  })
  await controller.ask('deploy', { check: false })
  t.same(reasonsOf(controller), [], 'a deployment would not help')
  await agentOf(t, controller, '127.0.0.3', { name: 'agent-c' })
  await agentOf(t, controller, '127.0.0.2', { name: 'agent-b' })
  const message = 'instance agent-b was not there when configuration c was deployed; deploy again'
  t.match((await stream.next())?.json, { instance: 'agent-b', message })
  t.same(
    reasonsOf(controller),
    [{ code: 'redeploy_needed', instance: 'agent-b', message }],
    'one without nodes does not matter'
  )
  await controller.ask('deploy')
  t.same(reasonsOf(controller), [])
})

await t.test('an address that the configuration gives is meant, wherever the agent is', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller, '127.0.0.1')
  await controller.ask('stage_configuration', {
    config: { ...small(), instances: [{ name: 'agent-a', host: '127.0.0.9' }] }
  })
  await controller.ask('deploy')
  await (await agentOf(t, controller, '127.0.0.2')).question('deploy')
  t.same(controller.controller.health, { ready: true, reasons: [] })
})

await t.test(
  'an instance that cannot be brought to what is deployed needs a deployment until one could be',
  async t => {
    const controller = await startTestController(t)
    await agentOf(t, controller, '127.0.0.1')
    await controller.ask('stage_configuration', { config: small() })
    await controller.ask('deploy')
    let isWell = false
    const failing = {
      handlers: {
        deploy: ({ share }: any) => {
          if (isWell) return share.nodes.map(({ name }: any) => ({ success: true, instance: 'agent-a', node: name }))
          throw new Error('no space left')
        }
      }
    }
    const agent = await agentOf(t, controller, '127.0.0.1', failing)
    await agent.question('deploy')
    await until(() => reasonsOf(controller).length > 0, 'it is known')
    t.match(reasonsOf(controller), [
      {
        instance: 'agent-a',
        message: /^instance agent-a could not be brought to the deployed configuration: .*; deploy again$/
      }
    ])
    await agent.close()
    await until(() => !controller.controller.instances()[0]?.connected, 'it is lost')
    isWell = true
    await (await agentOf(t, controller, '127.0.0.1', failing)).question('deploy')
    t.same(reasonsOf(controller), [], 'the next time that it connects it was')
  }
)

await t.test('an instance that cannot be put on standby needs a deployment', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller, '127.0.0.1')
  let isWell = false
  const agent = await agentOf(t, controller, '127.0.0.1', {
    name: 'agent-b',
    handlers: {
      standby: () => {
        if (!isWell) throw new Error('it hangs')
        return []
      }
    }
  })
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  await until(() => reasonsOf(controller).length > 0, 'it is known')
  t.match(reasonsOf(controller), [
    { instance: 'agent-b', message: /^instance agent-b could not be put on standby: .*; deploy again$/ }
  ])
  isWell = true
  await controller.ask('deploy')
  await until(() => agent.count('standby') === 2, 'it is asked again')
  t.same(reasonsOf(controller), [])
})

const node = (name: string, pid: number, instance = 'a'): InstanceNode => ({
  instance,
  node: name,
  pid,
  state: 'RUNNING',
  desired_state: 'RUNNING',
  mgmt_role: 'NODE',
  cluster_role: 'WORKER'
})
const report = (...drift: [node: string, pid: number, ...files: string[]][]): HealthReport => ({
  nodes: [],
  file_systems: [],
  drift: drift.map(([name, pid, ...files]) => ({ node: name, pid, files }))
})

await t.test('files that have changed are told of the processes that are there, those of an instance together', t => {
  const reports = new Map([
    ['a', report(['w1', 1, '/x', '/y'], ['w2', 2, '/x', '/y'], ['w3', 3, '/z'], ['w4', 4, '/x'])],
    ['b', report(['w1', 1, '/x'])]
  ])
  t.same(drifted([node('w1', 1), node('w2', 2), node('w3', 3), node('w4', 5)], reports), [
    { code: 'drift', instance: 'a', message: '/x, /y changed on disk after w1, w2 had started; deploy again' },
    { code: 'drift', instance: 'a', node: 'w3', message: '/z changed on disk after w3 had started; deploy again' }
  ])
  const many = Array.from({ length: 12 }, (_, n) => n)
  const [reason, ...others] = drifted(
    many.map(n => node(`w${n}`, n)),
    new Map([['a', report(...many.map((n): [string, number, string] => [`w${n}`, n, '/x']))]])
  )
  t.match([reason?.message, others.length], [/w9, … had started/, 0])
  t.end()
})
