import t, { type Test } from 'tap'
import { agentPath } from '../../../schemas/agent.js'
import { Link } from '../../../src/link/link.js'
import { dial } from '../../../src/link/websocket.js'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { until } from '../../support/until.js'
import {
  configurationOf,
  fakeAgent,
  manager,
  never,
  small,
  stateDir,
  worker,
  type FakeAgentOptions
} from '../fake-agent.js'

type Controller = Awaited<ReturnType<typeof startTestController>>
const agentOf = (t: Test, { settings }: Controller, options?: FakeAgentOptions) =>
  fakeAgent(t, settings.controller_port, options)
const errorsOf = ({ results }: { results: { error?: string }[] }) => results.flatMap(({ error }) => error ?? [])

await t.test('without a staged configuration there is nothing to deploy', async t => {
  const { ask } = await startTestController(t)
  t.match(await ask('deploy'), {
    state: 'failed',
    success: false,
    results: [{ success: false, error: 'no configuration available to deploy' }]
  })
})

await t.test("a deployment has a result per node and one with the configuration's id", async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  await controller.ask('stage_configuration', { config: small('c1') })
  const { state, results, reqid } = await controller.ask('deploy')
  t.equal(state, 'succeeded')
  t.same(results, [
    { reqid, success: true, instance: 'agent-a', node: 'manager' },
    { reqid, success: true, instance: 'agent-a', node: 'worker-1' },
    { reqid, success: true, data: { id: 'c1', revision: 1 } }
  ])
  t.match(await agent.question('deploy'), {
    force: false,
    share: { config_id: 'c1', nodes: [{ name: 'manager' }, { name: 'worker-1' }] }
  })
})

await t.test('force is passed on', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy', { force: true })
  t.equal((await agent.question('deploy')).force, true)
})

await t.test('a second deployment is refused while the first is pending', async t => {
  const controller = await startTestController(t)
  let answer = (_outcomes: object[]) => {}
  const agent = await agentOf(t, controller, {
    handlers: {
      deploy: () =>
        new Promise(resolve => {
          answer = resolve
        })
    }
  })
  await controller.ask('stage_configuration', { config: small() })
  const first = controller.ask('deploy')
  await agent.question('deploy')
  const { reqid: pending } = controller.controller.listRequests({ type: 'deploy', limit: 1 }).requests[0]!
  t.same(errorsOf(await controller.ask('deploy')), [`earlier deployment ${pending} still pending`])
  answer([
    { success: true, instance: 'agent-a', node: 'manager' },
    { success: true, instance: 'agent-a', node: 'worker-1' }
  ])
  t.match(await first, { reqid: pending, state: 'succeeded' })
  t.equal(agent.count('deploy'), 1)
})

await t.test('an instance that is not connected fails its nodes and does not hold up the others', async t => {
  const controller = await startTestController(t, { 'controller-connect-grace': '0.3' })
  await agentOf(t, controller)
  await controller.ask('stage_configuration', {
    config: configurationOf(
      ['agent-a', 'agent-b'],
      [manager(), worker('worker-1', 'agent-b'), worker('worker-2', 'agent-b')],
      'c'
    )
  })
  const { state, results } = await controller.ask('deploy')
  t.equal(state, 'partial')
  t.same(
    results
      .slice(0, -1)
      .map(({ instance, node, error }) => [instance, node, error])
      .sort(),
    [
      ['agent-a', 'manager', undefined],
      ['agent-b', 'worker-1', 'instance agent-b is not connected'],
      ['agent-b', 'worker-2', 'instance agent-b is not connected']
    ]
  )
  t.match(results.at(-1), { success: true, data: { id: 'c' } })
})

await t.test('an instance that connects within the grace is waited for', async t => {
  const controller = await startTestController(t, { 'controller-connect-grace': '20' })
  await controller.ask('stage_configuration', { config: small() })
  const deploying = controller.ask('deploy')
  await until(() => controller.controller.pendingRequests > 0, 'it is pending')
  await agentOf(t, controller)
  t.equal((await deploying).state, 'succeeded')
})

await t.test('a node that exits while starting is a failed result with its outputs', async t => {
  const controller = await startTestController(t)
  const failure = {
    success: false,
    instance: 'agent-a',
    node: 'worker-1',
    error: 'exited with code 1: fatal error',
    data: { stdout: 'out', stderr: 'fatal error' }
  }
  await agentOf(t, controller, {
    handlers: { deploy: () => [{ success: true, instance: 'agent-a', node: 'manager' }, failure] }
  })
  await controller.ask('stage_configuration', { config: small() })
  const { state, results } = await controller.ask('deploy')
  t.equal(state, 'partial')
  t.match(results[1], failure)
})

await t.test('a silent instance makes the deployment time out, with what the others said', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller)
  await agentOf(t, controller, { name: 'agent-b', handlers: { deploy: never } })
  await controller.ask('stage_configuration', {
    config: configurationOf(['agent-a', 'agent-b'], [manager(), worker('worker-1', 'agent-b')])
  })
  const { state, success, results } = await controller.ask('deploy', { check: false }, '?timeout=0.4')
  t.same([state, success], ['timed_out', false])
  t.match(results, [
    { success: true, node: 'manager' },
    { success: false, instance: 'agent-b', node: 'worker-1', error: 'request timed out' }
  ])
})

await t.test('progress of each instance is told before the response', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller)
  let answer = () => {}
  await agentOf(t, controller, {
    name: 'agent-b',
    handlers: {
      deploy: () =>
        new Promise<object[]>(resolve => {
          answer = () => resolve([{ success: true, instance: 'agent-b', node: 'worker-1' }])
        })
    }
  })
  await controller.ask('stage_configuration', {
    config: configurationOf(['agent-a', 'agent-b'], [manager(), worker('worker-1', 'agent-b')])
  })
  const stream = await openStream(t, `${controller.url}/v1/events?types=request_progress,deploy_response`)
  await stream.next('hello')
  const deploying = controller.ask('deploy')
  t.match((await stream.next())?.json, {
    type: 'request_progress',
    instance: 'agent-a',
    results: [{ node: 'manager', success: true }]
  })
  answer()
  t.match((await stream.next())?.json, {
    type: 'request_progress',
    instance: 'agent-b',
    results: [{ node: 'worker-1' }]
  })
  t.match((await stream.next())?.json, {
    type: 'deploy_response',
    state: 'succeeded',
    success: true,
    reqid: (await deploying).reqid
  })
})

await t.test('an agent that answers nonsense fails its nodes', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller, { handlers: { deploy: () => [{ success: 'yes' }] } })
  await controller.ask('stage_configuration', { config: small() })
  const { state, results } = await controller.ask('deploy')
  t.equal(state, 'failed')
  t.match(results[0], { success: false, node: 'manager', error: /success must be boolean/ })
})

await t.test('an agent that is lost meanwhile fails its nodes', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller, { handlers: { deploy: never } })
  await controller.ask('stage_configuration', { config: small() })
  const deploying = controller.ask('deploy')
  await agent.question('deploy')
  await agent.close()
  const { state, results } = await deploying
  t.equal(state, 'failed')
  t.match(results.slice(0, 2), [
    { node: 'manager', success: false, error: /the link is closed/ },
    { node: 'worker-1', success: false }
  ])
})

await t.test('instances that are no longer in the configuration are put on standby, and stay connected', async t => {
  const controller = await startTestController(t)
  const gone = await agentOf(t, controller, { name: 'agent-b' })
  await agentOf(t, controller)
  await controller.ask('stage_configuration', {
    config: configurationOf(['agent-a', 'agent-b'], [manager(), worker('worker-1', 'agent-b')])
  })
  await controller.ask('deploy')
  await controller.ask('stage_configuration', { config: configurationOf(['agent-a'], [manager()]) })
  t.equal((await controller.ask('deploy')).state, 'succeeded')
  await gone.question('standby')
  t.match(controller.controller.instances(), [
    { name: 'agent-a', configured: true },
    { name: 'agent-b', connected: true, configured: false }
  ])
})

await t.test('an instance that was not deployed is put on standby when it connects', async t => {
  const controller = await startTestController(t)
  await agentOf(t, controller)
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  const other = await agentOf(t, controller, { name: 'agent-b' })
  await other.question('standby')
  t.equal(other.count('deploy'), 0)
})

await t.test(
  'loopback and other addresses in one layout are an error of the deployment, which changes nothing',
  async t => {
    const controller = await startTestController(t)
    const agent = await agentOf(t, controller)
    await agentOf(t, controller, { name: 'agent-b', hello: { host: '10.0.0.2' } })
    const staged = await controller.ask('stage_configuration', {
      config: configurationOf(['agent-a', 'agent-b'], [manager(), worker('worker-1', 'agent-b')])
    })
    const error =
      "loopback and other addresses cannot be mixed: instance 'agent-a' is at 127.0.0.1, instance 'agent-b' at 10.0.0.2; give 'agent-a' the address at which the others reach it, " +
      'as its host or as ZEEK_AGENT_ADVERTISE_ADDR of its agent; if both are one host, put its nodes on one instance'
    t.match(
      staged,
      { state: 'succeeded', warnings: [`it could not be deployed now: ${error}`] },
      'staging tells it already'
    )
    t.same(errorsOf(await controller.ask('deploy')), [error])
    t.equal(controller.controller.deployed(), undefined)
    t.equal(agent.count('deploy'), 0)
  }
)

await t.test('an agent that comes back is sent what is deployed, not what is staged', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  await controller.ask('stage_configuration', { config: small('deployed') })
  await controller.ask('deploy')
  await controller.ask('stage_configuration', { config: configurationOf(['agent-a'], [manager()], 'staged') })
  await agent.close()
  const back = await agentOf(t, controller)
  t.match(await back.question('deploy'), {
    force: false,
    share: { config_id: 'deployed', nodes: [{ name: 'manager' }, { name: 'worker-1' }] }
  })
})

await t.test('after a restart of the controller staged instances do not leak into what is deployed', async t => {
  const directory = stateDir(t)
  const first = await startTestController(t, { 'management-state-dir': directory })
  await agentOf(t, first)
  await first.ask('stage_configuration', { config: small('deployed') })
  await first.ask('deploy')
  await first.ask('stage_configuration', { config: configurationOf(['agent-b'], [manager('agent-b')], 'staged') })
  await first.close()
  const second = await startTestController(t, { 'management-state-dir': directory })
  const deployed = await agentOf(t, second)
  const staged = await agentOf(t, second, { name: 'agent-b' })
  t.equal((await deployed.question('deploy')).share.config_id, 'deployed')
  await staged.question('standby')
  t.same([deployed.count('standby'), staged.count('deploy')], [0, 0])
  t.match(second.controller.instances(), [
    { name: 'agent-a', configured: true },
    { name: 'agent-b', configured: false }
  ])
})

await t.test('an agent that returns with another address is told of, and gets the same layout', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  const before = (await agent.question('deploy')).share
  await agent.close()
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_error`)
  await stream.next('hello')
  const moved = await agentOf(t, controller, { hello: { host: '127.0.0.2' } })
  t.match((await stream.next())?.json, {
    type: 'notify_error',
    instance: 'agent-a',
    message: 'the address of instance agent-a has changed from 127.0.0.1 to 127.0.0.2; deploy again'
  })
  t.same((await moved.question('deploy')).share, before)
  t.equal(moved.count('restart'), 0)
})

await t.test('deploying again takes the new address', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  await controller.ask('stage_configuration', { config: small() })
  await controller.ask('deploy')
  await agent.close()
  const moved = await agentOf(t, controller, { hello: { host: '127.0.0.2' } })
  await moved.question('deploy')
  t.equal((await controller.ask('deploy')).state, 'succeeded')
  t.equal((await moved.layoutOf(moved.asked.at(-1)!.params.share)).nodes[0]?.host, '127.0.0.2')
  t.equal(controller.controller.deployed()?.instances[0]?.host, '127.0.0.2')
})

await t.test(
  'addresses are those of the deployment, not of the moment at which the configuration was staged',
  async t => {
    const controller = await startTestController(t)
    await controller.ask('stage_configuration', { config: small() })
    t.equal(controller.controller.document('ready').configuration.instances[0]?.host, undefined)
    const agent = await agentOf(t, controller, { hello: { host: '127.0.0.9' } })
    await until(() => controller.controller.instances()[0]?.connected, 'it is connected')
    t.equal(
      controller.controller.document('ready').configuration.instances[0]?.host,
      '127.0.0.9',
      'a preview is of now'
    )
    t.equal((await controller.ask('deploy')).state, 'succeeded')
    t.equal((await agent.layoutOf((await agent.question('deploy')).share)).nodes[0]?.host, '127.0.0.9')
    t.equal(controller.controller.deployed()?.instances[0]?.host, '127.0.0.9')
  }
)

await t.test('a deployment that times out stays what is deployed: the one before does not come back', async t => {
  const controller = await startTestController(t)
  const first = await agentOf(t, controller)
  await controller.ask('stage_configuration', { config: small('before') })
  await controller.ask('deploy')
  await first.close()
  const silent = await agentOf(t, controller, { handlers: { deploy: never } })
  await silent.question('deploy')
  await controller.ask('stage_configuration', { config: small('after') })
  t.equal((await controller.ask('deploy', { check: false }, '?timeout=0.3')).state, 'timed_out')
  await silent.close()
  const back = await agentOf(t, controller)
  t.equal((await back.question('deploy')).share.config_id, 'after')
})

await t.test('the layout is had by its digest while it is deployed, and by agents only', async t => {
  const controller = await startTestController(t)
  const agent = await agentOf(t, controller)
  const shares = async () => agent.asked.filter(({ method }) => method === 'deploy').map(({ params }) => params.share)
  for (const config of [
    small('c1'),
    small('c2'),
    configurationOf(['agent-a'], [manager(), worker(), worker('worker-2')], 'c3')
  ]) {
    await controller.ask('stage_configuration', { config })
    t.equal((await controller.ask('deploy')).state, 'succeeded')
  }
  const [first, second, third] = await shares()
  t.equal(second.layout, first.layout, 'what is the same has the same digest')
  t.same(
    (await agent.layoutOf(third)).nodes.map(({ name }) => name),
    ['manager', 'worker-1', 'worker-2']
  )
  await t.rejects(agent.layoutOf(first), { code: 'not_found', message: 'no such layout is deployed' })
  await t.rejects(agent.link.ask('layout', { digest: '../x' }, { timeoutMs: 5000 }), { code: 'invalid_request' })
  const stranger = new Link(
    await dial(`ws://127.0.0.1:${controller.settings.controller_port}${agentPath}`, new AbortController().signal),
    {}
  )
  t.teardown(() => stranger.close('the test is over'))
  await t.rejects(stranger.ask('layout', { digest: third.layout }, { timeoutMs: 5000 }), { code: 'forbidden' })
})

await t.test('a layout has the same digest after a restart of the controller, and can still be had', async t => {
  const directory = stateDir(t)
  const first = await startTestController(t, { 'management-state-dir': directory })
  const agent = await agentOf(t, first)
  await first.ask('stage_configuration', { config: small() })
  await first.ask('deploy')
  const before = (await agent.question('deploy')).share
  await first.close()
  const second = await startTestController(t, { 'management-state-dir': directory })
  const back = await agentOf(t, second)
  t.same((await back.question('deploy')).share, before)
  t.equal((await back.layoutOf(before)).nodes.length, 2)
})
