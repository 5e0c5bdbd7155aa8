import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { tarOf } from '../bundles/tar.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import {
  configurationOf,
  fakeAgent,
  manager,
  never,
  small,
  stateDir,
  worker,
  type FakeAgentOptions
} from './fake-agent.js'

type Controller = Awaited<ReturnType<typeof startTestController>>

async function start(t: Test, options: FakeAgentOptions = {}, flags: Record<string, string> = {}) {
  const controller = await startTestController(t, flags)
  const agent = await fakeAgent(t, controller.settings.controller_port, options)
  const { ask, url } = controller
  return {
    ...controller,
    agent,
    /** Stages and deploys a configuration. */
    deploy: async (config: object, args: object = {}) => {
      await ask('stage_configuration', { config })
      return await ask('deploy', args)
    },
    revisions: async () => (await getJson(`${url}/v1/revisions`)).revisions,
    configuration: async (state: string) => (await getJson(`${url}/v1/configurations/${state}`)).configuration
  }
}

const upload = async ({ url }: Pick<Controller, 'url'>, content: string): Promise<string> => {
  const body = new Uint8Array(tarOf({ path: 'scripts/local.zeek', content }))
  const response = await fetch(`${url}/v1/bundles`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-tar' },
    body
  })
  return (await answerOf(response)).json.id
}

await t.test('a deployment is a revision, with who, why, and how it has ended', async t => {
  const { deploy, ask, revisions, url } = await start(t)
  const first = await deploy(small('c1'), { comment: 'the first\nof all' })
  const second = await ask('deploy')
  t.match(await revisions(), [
    { revision: 2, deployed: true, outcome: 'succeeded', reqid: second.reqid, config_id: 'c1', nodes: 2 },
    {
      revision: 1,
      deployed: false,
      outcome: 'succeeded',
      created_by: 'anyone',
      comment: 'the first\nof all',
      reqid: first.reqid
    }
  ])
  t.notOk('comment' in (await revisions())[0])
  t.same(first.results.at(-1)?.data, { id: 'c1', revision: 1 })
  t.equal((await getJson(`${url}/v1/configurations/deployed`)).revision, 2)
  t.notOk('revision' in (await getJson(`${url}/v1/configurations/staged`)))
})

await t.test('what changes nothing is no revision: a check that fails, a plan that cannot be', async t => {
  const { deploy, ask, revisions, configuration } = await start(t, {
    handlers: {
      check: ({ nodes }) =>
        nodes.map((node: string) => ({
          success: false,
          instance: 'agent-a',
          node,
          error: 'no',
          data: { findings: [] }
        }))
    }
  })
  t.equal((await ask('deploy')).state, 'failed')
  t.equal((await deploy(small('c1'))).state, 'failed')
  t.same(await revisions(), [])
  t.equal((await deploy(small('c1'), { check: false })).state, 'succeeded')
  t.equal((await ask('deploy', { revision: 1, comment: 'it fails its check' })).state, 'failed')
  await ask('stage_configuration', { config: small('c2') })
  t.equal((await ask('deploy', { revision: 1 })).state, 'failed')
  t.equal((await configuration('staged')).id, 'c2', 'nor is it staged')
  t.equal((await revisions()).length, 1)
})

await t.test('a revision is deployed again as it was staged, and staged', async t => {
  const { deploy, ask, agent, revisions, configuration, url } = await start(t)
  const groups = [{ name: 'lab', instance: 'agent-a', interface: 'lo', workers: 2, env: { API_TOKEN: 'swordfish' } }]
  const grouped = { ...configurationOf(['agent-a'], [manager()], 'c1'), groups }
  await deploy(grouped)
  await deploy(small('c2'))
  await ask('stage_configuration', { config: small('c3') })
  const again = await ask('deploy', { revision: 1 })
  t.equal(again.state, 'succeeded', JSON.stringify(again.results))
  t.match(again.arguments, { revision: 1 })
  const share = agent.asked.filter(({ method }) => method === 'deploy').at(-1)?.params.share
  t.match(share, {
    config_id: 'c1',
    nodes: [{ name: 'manager' }, { name: 'lab-1', env: { API_TOKEN: 'swordfish' } }, {}]
  })
  t.match(await revisions(), [
    { revision: 3, deployed: true, comment: 'revision 1 again', config_id: 'c1', nodes: 3 },
    { revision: 2, deployed: false, config_id: 'c2', nodes: 2 },
    { revision: 1 }
  ])
  t.same(await configuration('staged'), grouped)
  t.same((await getJson(`${url}/v1/revisions/3`)).configuration, grouped)
  await ask('deploy', { revision: 2, comment: 'a better one' })
  t.match((await revisions())[0], { revision: 4, comment: 'a better one' })
  const unknown = await ask('deploy', { revision: 9 })
  t.match([unknown.state, unknown.results], ['failed', [{ success: false, error: 'there is no revision 9' }]])
})

await t.test('how it ends is told: in part, too late, and when the controller ends', async t => {
  const directory = stateDir(t)
  let answers: FakeAgentOptions['handlers'] = {
    deploy: () => [
      { success: true, instance: 'agent-a', node: 'manager' },
      { success: false, instance: 'agent-a', node: 'worker-1', error: 'no' }
    ]
  }
  const { deploy, ask, agent, revisions, close } = await start(
    t,
    { handlers: { deploy: (...args) => answers!['deploy']!(...args) } },
    { 'management-state-dir': directory }
  )
  await deploy(small('c1'))
  answers = { deploy: never }
  await ask('deploy', { check: false }, '?timeout=0.3')
  const before = agent.count('deploy')
  void ask('deploy').catch(() => {})
  await until(() => agent.count('deploy') > before, 'it is under way')
  t.match(await revisions(), [{ outcome: 'pending', deployed: true }, { outcome: 'timed_out' }, { outcome: 'partial' }])

  // The store as a crash would leave it.
  const crashed = join(stateDir(t), 'state')
  mkdirSync(crashed, { recursive: true })
  for (const end of ['', '-wal']) {
    const file = `controller.sqlite${end}`
    if (existsSync(join(directory, file))) copyFileSync(join(directory, file), join(crashed, file))
  }
  const outcomes = async ({ url }: Controller) =>
    (await getJson(`${url}/v1/revisions`)).revisions.map(({ outcome }: { outcome: string }) => outcome)
  const expected = ['interrupted', 'timed_out', 'partial']
  t.same(await outcomes(await startTestController(t, { 'management-state-dir': crashed })), expected, 'a crash')
  await close()
  t.same(await outcomes(await startTestController(t, { 'management-state-dir': directory })), expected, 'a stop')
})

await t.test('the bundle of a revision stays, until the last one goes that names it', async t => {
  const directory = stateDir(t)
  const flags = { 'management-state-dir': directory, 'controller-bundle-max-age': '0.001' }
  const one = await start(t, {}, flags)
  const [old, unused] = [await upload(one, 'print 1;'), await upload(one, 'print 2;')]
  await one.deploy({ ...small('c1'), bundle: old })
  await one.deploy(small('c2'))
  const bundles = async ({ url }: Controller) => (await getJson(`${url}/v1/bundles`)).bundles
  t.match(
    (await bundles(one)).find(({ id }: { id: string }) => id === old),
    { used_by: ['revision'] }
  )
  const removal = await fetch(`${one.url}/v1/bundles/${old}`, { method: 'DELETE' })
  t.match(await answerOf(removal), { status: 409, json: { detail: 'a revision that is kept names this bundle' } })
  await one.close()

  const two = await start(t, {}, flags)
  await until(async () => (await bundles(two)).length === 1, `${unused} is pruned, the other one is not`)
  t.match(await bundles(two), [{ id: old, used_by: ['revision'] }])
  t.equal((await two.ask('deploy', { revision: 1, check: false })).state, 'succeeded')
  t.equal((await two.configuration('staged')).bundle, old)
  await two.deploy(small('c3'))
  await two.deploy(small('c4'))
  await two.close()

  const three = await start(t, {}, { ...flags, 'controller-revisions-max': '2' })
  await until(async () => (await three.revisions()).length === 2, 'revisions are pruned')
  t.match(await three.revisions(), [{ revision: 5 }, { revision: 4 }])
  await until(async () => (await bundles(three)).length === 0, 'then it is of no use')
})

await t.test('revisions go by age, but the deployed one and the one before it', async t => {
  let time = Date.parse('2026-11-29T10:00:00Z')
  const controller = await startTestController(t, { 'controller-revisions-max-age': '2592000' }, { now: () => time })
  await fakeAgent(t, controller.settings.controller_port)
  await controller.ask('stage_configuration', { config: configurationOf(['agent-a'], [manager(), worker()]) })
  for (let n = 0; n < 4; n++) await controller.ask('deploy')
  time += 31 * 86_400_000
  const numbers = () => controller.controller.revisions.list({ limit: 10 }).revisions.map(({ revision }) => revision)
  await until(() => numbers().length < 4, 'they are pruned')
  t.same(numbers(), [4, 3])
})

await t.test('a revision whose bundle is gone is not deployed, and says so', async t => {
  const directory = stateDir(t)
  const one = await start(t, {}, { 'management-state-dir': directory })
  const bundle = await upload(one, 'print 1;')
  await one.deploy({ ...small('c1'), bundle })
  await one.deploy(small('c2'))
  await one.close()
  const db = new DatabaseSync(join(directory, 'controller.sqlite'))
  db.exec('DELETE FROM bundles')
  db.close()
  const two = await start(t, {}, { 'management-state-dir': directory })
  t.match((await two.ask('deploy', { revision: 1 })).results, [
    { success: false, error: `the bundle of revision 1 is gone: upload ${bundle} again` }
  ])
  const difference = await getJson(`${two.url}/v1/revisions/2/diff`)
  t.match(difference, { from: { bundle }, nodes: { changed: [] } }, 'what is there is compared')
  t.notOk('bundle' in difference)
  await upload(two, 'print 1;')
  t.equal((await two.ask('deploy', { revision: 1, check: false })).state, 'succeeded')
})

await t.test('a deployment of a revision has the time that its own nodes may take', async t => {
  const { deploy, ask, controller } = await start(t)
  await deploy(small('c1'))
  await deploy(configurationOf(['agent-a'], [manager()]))
  await deploy(configurationOf(['agent-a'], []))
  const [none, bigger, unknown] = [{}, { revision: 1 }, { revision: 99 }].map(args =>
    controller.patience('deploy', args)
  )
  t.ok(bigger! > none!, `${bigger} s, ${none} s`)
  t.equal(unknown, none)
  const groups = [{ name: 'lab', instance: 'agent-a', interface: 'lo', workers: 2 }]
  await ask('stage_configuration', { config: { ...configurationOf(['agent-a'], []), groups } })
  t.ok(controller.patience('deploy', {}) > none!, 'workers of groups count')
})
