import t, { type Test } from 'tap'
import { agentApiVersion } from '../../../schemas/agent.js'
import type { Handlers } from '../../../src/link/link.js'
import { pushBundle } from '../../support/bundles.js'
import { startTestController } from '../../support/controller.js'
import { configurationOf, fakeAgent, manager, never, status, type FakeAgent } from '../fake-agent.js'

/** A controller with the bundle of a release, and agents that come back as it, unless they are told otherwise. */
async function start(t: Test) {
  const controller = await startTestController(t)
  const release = { version: '2.0.0', platform: 'linux-x64', agent_api_version: agentApiVersion }
  const bundle = await pushBundle(controller.url, [
    { path: 'program/release.json', content: `${JSON.stringify(release)}\n` }
  ])
  const asked: string[] = []
  const connect = async (name: string, hello: object = {}, handlers?: Handlers): Promise<FakeAgent> => {
    const port = controller.settings.controller_port
    const upgrade = () => {
      asked.push(name)
      setImmediate(() => {
        void agent.close().then(async () => await fakeAgent(t, port, { name, hello: { ...hello, version: '2.0.0' } }))
      })
      return {}
    }
    const agent: FakeAgent = await fakeAgent(t, port, { name, hello, handlers: handlers ?? { upgrade } })
    return agent
  }
  return { ...controller, bundle, asked, connect }
}

await t.test('instances are upgraded one after the other, that of the controller last', async t => {
  const { ask, bundle, asked, connect } = await start(t)
  await connect('agent-c')
  await connect('agent-a', {
    nodes: [status('controller', 'RUNNING', { mgmt_role: 'CONTROLLER', cluster_role: undefined })]
  })
  await connect('agent-b')
  const { state, results } = await ask('upgrade', { bundle })
  t.equal(state, 'succeeded', JSON.stringify(results))
  t.same(asked, ['agent-b', 'agent-c', 'agent-a'])
})

await t.test('so many at a time as are allowed', async t => {
  const { ask, bundle, connect } = await start(t)
  let atATime = 0
  let most = 0
  const waiting: (() => void)[] = []
  for (const name of ['agent-a', 'agent-b', 'agent-c', 'agent-d']) {
    await connect(
      name,
      {},
      {
        upgrade: async () => {
          most = Math.max(most, ++atATime)
          // Two are under way: only then the first of them ends.
          await new Promise<void>(resolve => {
            waiting.push(resolve)
            if (waiting.length === 2) for (const one of waiting.splice(0)) one()
          })
          atATime--
          throw new Error('it does not want to')
        }
      }
    )
  }
  const { results } = await ask('upgrade', { bundle, max_parallel: 2 })
  t.equal(most, 2)
  t.equal(results.filter(({ error }) => /^not begun, since agent-[ab] has failed$/.test(error!)).length, 2)
})

await t.test('an instance that cannot be upgraded says why', async t => {
  const { ask, bundle, asked, connect } = await start(t)
  await connect('agent-b', { version: '2.0.0' })
  const errorOf = async (args: object) => (await ask('upgrade', { bundle, ...args })).results.map(({ error }) => error)
  t.same(await errorOf({ instances: ['agent-z'] }), ['instance agent-z is not connected'])
  t.same(await errorOf({ labels: { site: 'north' } }), ['no instance has these labels'])
  t.same(await errorOf({ instances: ['agent-b'] }), [undefined], 'it is that already')
  t.same(asked, [])
})

await t.test('labels choose among what is deployed, and names among these', async t => {
  const { ask, bundle, asked, connect } = await start(t)
  for (const name of ['agent-a', 'agent-b', 'agent-c']) await connect(name)
  const labelled = {
    ...configurationOf(['agent-a', 'agent-b', 'agent-c'], [manager()]),
    instances: ['agent-a', 'agent-b', 'agent-c'].map(name => ({
      name,
      labels: { site: name === 'agent-c' ? 'south' : 'north' }
    }))
  }
  await ask('stage_configuration', { config: labelled })
  t.equal((await ask('deploy', { check: false })).state, 'succeeded')
  await ask('upgrade', { bundle, labels: { site: 'north' }, instances: ['agent-b', 'agent-c'] })
  t.same(asked, ['agent-b'])
  await ask('upgrade', { bundle, labels: { site: 'north' } })
  t.same(asked, ['agent-b', 'agent-a'])
})

await t.test('whoever comes back as before has failed, with its reason', async t => {
  const { ask, bundle, settings, connect } = await start(t)
  const again = (hello: object) => {
    const name = 'agent-a'
    const upgrade = () => {
      setImmediate(() => {
        void agent.close().then(async () => {
          // A link that is lost once more is no answer.
          const first = await fakeAgent(t, settings.controller_port, { name })
          await first.close()
          await fakeAgent(t, settings.controller_port, { name, hello })
        })
      })
      return {}
    }
    let agent: FakeAgent
    return connect(name, {}, { upgrade }).then(one => (agent = one))
  }
  await again({ failed_upgrade: { bundle, error: 'it would not' } })
  const { results } = await ask('upgrade', { bundle })
  t.match(results, [{ success: false, error: 'it is 1.0.0 again: it would not' }])
})

await t.test('whoever is lost before it has answered, and comes back as before, has failed', async t => {
  const { ask, bundle, settings, connect } = await start(t)
  const agent = await connect('agent-a', {}, { upgrade: never })
  const asking = ask('upgrade', { bundle })
  await agent.question('upgrade')
  await agent.close()
  await fakeAgent(t, settings.controller_port, { name: 'agent-a' })
  t.match((await asking).results, [
    { success: false, error: 'it is 1.0.0 again: the connection was lost while it got the release' }
  ])
})

await t.test('what is not back in time is a failure of the request', async t => {
  const { ask, bundle, connect } = await start(t)
  await connect('agent-a', {}, { upgrade: () => ({}) })
  const { state, results } = await ask('upgrade', { bundle }, '?timeout=0.5')
  t.match({ state, results }, { state: 'timed_out', results: [{ success: false, error: 'request timed out' }] })
})
