import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { AppError } from '../../../src/errors.js'
import { tarOf } from '../../bundles/tar.js'
import { startTestController } from '../../support/controller.js'
import { configurationOf, fakeAgent, manager, never, worker, type FakeAgentOptions } from '../fake-agent.js'

const file = 'checks/http.pcap'
const reading = { logs: [{ log: 'conn', lines: 6 }], findings: [], seconds: 1, memory_bytes: 1 }

/** A controller with a configuration of two workers, each on an instance of its own, and captures. */
async function start(t: Test, agents: FakeAgentOptions[]) {
  const controller = await startTestController(t)
  const { bundle } = await controller.controller.bundles.receive(Readable.from([tarOf({ path: file, content: 'x' })]), {
    by: {}
  })
  const names = agents.map(({ name }) => name!)
  const nodes = [manager(names[0]), ...names.map((name, n) => worker(`worker-${n + 1}`, name))]
  const stage = async (changes: object = {}) =>
    await controller.ask('stage_configuration', {
      config: { ...configurationOf(names, nodes), bundle: bundle.id, captures: [{ file }], ...changes }
    })
  await stage()
  const connected = await Promise.all(agents.map(one => fakeAgent(t, controller.settings.controller_port, one)))
  return { ...controller, agents: connected, stage, bundle: bundle.id }
}
const ofCaptures = (results: readonly { data?: { captures?: unknown } }[]) =>
  results.filter(({ data }) => data?.captures)

await t.test('one instance reads captures, as what it is to be, and as what it is', async t => {
  const replay = () => reading
  const { ask, agents, stage, bundle } = await start(t, [
    { name: 'agent-a', handlers: { replay } },
    { name: 'agent-b', handlers: { replay } }
  ])
  t.equal((await ask('deploy', { require: 'captures' })).state, 'succeeded')
  t.same(
    agents.map(agent => agent.count('replay')),
    [1, 0],
    'nothing was deployed before'
  )
  t.match(await agents[0]!.question('replay'), { node: 'worker-1', bundle, file, share: { bundle } })
  await ask('check')
  t.equal(agents[0]!.count('replay'), 2, 'what is the same is read once')
  await stage({ nodes: [manager('agent-a'), { ...worker(), scripts: ['new'] }] })
  await ask('check')
  t.match(
    agents[0]!.asked.filter(({ method }) => method === 'replay').slice(2),
    [undefined, ['new']].map(scripts => ({ params: { share: { nodes: [{}, { name: 'worker-1', scripts }] } } }))
  )
  await ask('check', { roles: ['MANAGER'] })
  t.equal(agents[0]!.count('replay'), 4, 'no worker is checked')
})

await t.test('an agent of an earlier version is passed over; where there is no other, that is said', async t => {
  const { ask, agents } = await start(t, [
    { name: 'agent-a' },
    { name: 'agent-b', handlers: { replay: () => reading } }
  ])
  t.match(ofCaptures((await ask('check')).results), [{ instance: 'agent-b', success: true }])
  await agents[1]!.close()
  const message = 'captures cannot be read: the agent of instance agent-a is of an earlier version'
  t.match(ofCaptures((await ask('check', { instances: ['agent-a'] })).results), [
    { success: true, data: { captures: [], findings: [{ level: 'warning', message }] } }
  ])
  const { state, results } = await ask('check', { instances: ['agent-a'], require: 'captures' })
  t.equal(state, 'partial')
  t.match(ofCaptures(results), [{ success: false, error: message }])
})

await t.test('a worker that fails its check reads nothing', async t => {
  const check = ({ nodes }: { nodes: string[] }) =>
    nodes.map(node => ({
      success: false,
      error: 'bad',
      node,
      data: { findings: [{ level: 'error', message: 'bad' }] }
    }))
  const { ask, agents } = await start(t, [{ name: 'agent-a', handlers: { check, replay: () => reading } }])
  t.match(ofCaptures((await ask('check')).results), [
    { data: { findings: [{ message: /^captures cannot be read: no worker that passes its check is on an instance/ }] } }
  ])
  t.equal(agents[0]!.count('replay'), 0)
  t.same(ofCaptures((await ask('check', { roles: ['MANAGER'] })).results), [], 'nor does one that was not meant')
})

await t.test('what does not end in time changes nothing, whoever gives it up', async t => {
  const late = () => {
    throw new AppError('timeout', 'request timed out')
  }
  for (const replay of [never, late]) {
    const { ask, agents, controller } = await start(t, [{ name: 'agent-a', handlers: { replay } }])
    const message = 'captures were not read: request timed out'
    const { state, results } = await ask('deploy', {}, '?timeout=2')
    t.equal(state, 'timed_out')
    if (replay === late) t.match(results, [{ instance: 'agent-a', success: false, error: message }])
    t.same([agents[0]!.count('deploy'), controller.deployed()], [0, undefined])
    t.equal((await ask('check', {}, '?timeout=2')).state, 'timed_out')
  }
})

await t.test('an agent that is lost while it reads ends the deployment', async t => {
  const { ask, agents, controller } = await start(t, [{ name: 'agent-a', handlers: { replay: never } }])
  const asking = ask('deploy')
  await agents[0]!.question('replay')
  await agents[0]!.close()
  t.match(await asking, { state: 'failed', results: [{ error: /^captures were not read: the link is closed/ }] })
  t.equal(controller.deployed(), undefined)
})
