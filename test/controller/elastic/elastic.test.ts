import { setTimeout as sleep } from 'node:timers/promises'
import { pino, type Logger } from 'pino'
import t, { type Test } from 'tap'
import type { SentShare } from '../../../schemas/agent.js'
import type { ElasticGroupStatus } from '../../../schemas/groups.js'
import { getJson } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { silent } from '../../support/log.js'
import { until } from '../../support/until.js'
import { fakeAgent, manager, never, stateDir, status } from '../fake-agent.js'

const elastic = { min: 1, max: 4, window_seconds: 1, cooldown_seconds: 0 }
const config = (workers: object | number) => ({
  instances: [{ name: 'agent-a' }],
  nodes: [manager()],
  groups: [{ name: 'w', instance: 'agent-a', interface: 'lo', workers }]
})

/** A controller, and an agent that does what it is told. */
async function start(t: Test, flags: Record<string, string> = {}, log: Logger = silent) {
  const controller = await startTestController(t, flags, { log })
  const running = new Set<string>()
  /** Packets that workers drop of a hundred; a worker that does not start, and one that takes for ever to. */
  const world = { dropped: 0, packets: 100, broken: '', told: 0, isMute: false, hangs: '' }
  let uptime = 0
  const handlers = {
    plan: ({ share }: { share: SentShare }) =>
      share.nodes.map(({ name: node, desired_state: desired }) => ({
        success: true,
        node,
        data: { plan: { action: desired === 'STOPPED' || running.has(node) ? 'none' : 'start' } }
      })),
    deploy: async ({ share }: { share: SentShare }) => {
      const starting = share.nodes.filter(
        ({ name, desired_state: desired }) => desired !== 'STOPPED' && !running.has(name)
      )
      if (starting.some(({ name }) => name === world.hangs)) await never()
      return share.nodes.map(({ name: node, desired_state: desired }) => {
        if (desired === 'STOPPED') running.delete(node)
        else if (node === world.broken) return { success: false, node, error: 'it is broken' }
        else running.add(node)
        agent.change(node, 'PENDING', running.has(node) ? 'RUNNING' : 'STOPPED')
        return { success: true, node }
      })
    },
    start: async ({ nodes }: { nodes: string[] }) => {
      await until(() => !nodes.includes(world.hangs), 'it starts')
      return nodes.map(node => {
        running.add(node)
        agent.change(node, 'PENDING', 'RUNNING')
        return { success: true, node }
      })
    },
    stop: ({ nodes }: { nodes: string[] }) =>
      nodes.map(node => {
        running.delete(node)
        agent.change(node, 'RUNNING', 'STOPPED')
        return { success: true, node }
      }),
    get_node_stats: ({ nodes }: { nodes: string[] }) => {
      uptime++
      world.told++
      if (world.isMute) throw new Error('it says nothing')
      const [dropped, packets] = [world.dropped, world.packets].map(count => count * uptime) as [number, number]
      return nodes.map(node => ({
        success: true,
        node,
        data: {
          stats: {
            node,
            time: new Date().toISOString(),
            pid: 1,
            uptime,
            cpu_seconds: 0.5 * uptime,
            memory_bytes: 1,
            packets_received: packets - dropped,
            packets_dropped: dropped
          }
        }
      }))
    }
  }
  const agent = await fakeAgent(t, controller.settings.controller_port, {
    handlers,
    hello: { nodes: [status('manager')] }
  })
  const deploy = async (workers: object | number, args: object = {}) => {
    const staged = await controller.ask('stage_configuration', { config: config(workers) })
    if (staged.state !== 'succeeded') throw new Error(JSON.stringify(staged.results))
    return await controller.ask('deploy', args)
  }
  const group = async (): Promise<ElasticGroupStatus | undefined> =>
    (await getJson(`${controller.url}/v1/elastic-groups`)).groups[0]
  const namesOf = (what: ElasticGroupStatus | undefined) => [what?.running.join(' '), what?.spares.join(' ')]
  return { ...controller, agent, running, world, deploy, group, namesOf }
}

const quiet = { ...elastic, window_seconds: 3600 }
const steps = { strategy: 'rolling', min_healthy_seconds: 0 }

await t.test('a deployment in steps that is taken back brings back the spares, too', async t => {
  const { deploy, group, namesOf, running, world, ask, agent } = await start(t)
  t.equal((await deploy(quiet)).state, 'succeeded')
  const { share } = await agent.question('deploy')
  t.same(
    share.nodes.map(({ name, desired_state: desired, spare }: any) => [name, desired, spare].join(' ').trim()),
    ['manager', 'w-1', 'w-2 STOPPED true', 'w-3 STOPPED true', 'w-4 STOPPED true']
  )
  t.equal((await ask('start', { nodes: ['w-2'] })).state, 'succeeded')
  t.equal((await ask('stop', { nodes: ['w-4'] })).state, 'succeeded')
  t.same(namesOf(await group()), ['w-1 w-2', 'w-3'], 'what operators say counts')

  world.broken = 'w-3'
  t.equal((await deploy(4, steps)).state, 'failed')
  t.same(namesOf(await group()), ['w-1 w-2', 'w-3'])
  t.same([...running].sort(), ['manager', 'w-1', 'w-2'])

  t.equal((await deploy({ ...quiet, min: 3 }, steps)).state, 'failed')
  t.same(namesOf(await group()), ['w-1 w-2', 'w-3'], 'also one that its group was to have run')
  t.same([...running].sort(), ['manager', 'w-1', 'w-2'])

  world.broken = ''
  t.equal((await deploy(4, steps)).state, 'succeeded')
  t.equal(await group(), undefined)
  t.same([...running].sort(), ['manager', 'w-1', 'w-2', 'w-3'], 'but for what an operator has stopped')

  t.equal((await ask('deploy', { revision: 1 })).state, 'succeeded')
  t.same(namesOf(await group()), ['w-1 w-2 w-3', ''], 'going back stops nothing that runs')
})

await t.test('in steps a new group starts as many as must run; a plan says so', async t => {
  const { deploy, group, namesOf, running, ask } = await start(t)
  t.equal((await deploy(1)).state, 'succeeded')
  await ask('stage_configuration', { config: config({ ...quiet, min: 2 }) })
  const { results } = await ask('plan')
  t.same(
    results.flatMap(({ node, data }) => (data?.plan?.action === 'start' ? node : [])),
    ['w-2']
  )
  t.equal((await ask('deploy', steps)).state, 'succeeded')
  t.same(namesOf(await group()), ['w-1 w-2', 'w-3 w-4'])
  t.same([...running].sort(), ['manager', 'w-1', 'w-2'])
})

await t.test(
  'it starts and stops workers by their figures, and a controller that is started again goes on',
  async t => {
    const flags = { 'management-state-dir': stateDir(t) }
    const first = await start(t, flags)
    const { world, deploy, group, namesOf } = first
    t.equal((await deploy({ ...elastic, max: 2, cooldown_seconds: 86_400 })).state, 'succeeded')
    world.dropped = 50
    const grown = await until(async () => {
      const now = await group()
      return now?.running.length === 2 && now
    }, 'another one runs')
    t.equal(grown.reason, 'w on agent-a: dropped 50 % of its packets in 1 s, 1 % is allowed; 1 of 2 workers run')
    const exhausted = async ({ url }: { url: string }) =>
      (await getJson(`${url}/v1/health`)).reasons.find(({ code }: { code: string }) => code === 'elastic_exhausted')
    const why = await until(() => exhausted(first), 'it has no more workers')
    t.match(why, { instance: 'agent-a', message: /^w on agent-a: dropped 50 % .* 2 of 2 workers run$/ })
    await first.close()

    const second = await start(t, flags)
    t.same(await second.group(), grown)
    second.world.packets = 0
    await until(() => second.world.told > 3, 'it has been looked at')
    t.same(namesOf(await second.group()), ['w-1 w-2', ''], 'it is not time yet')
  }
)

await t.test('a cluster that grows is ready meanwhile', async t => {
  const { world, deploy, group, url, ask } = await start(t)
  t.equal((await deploy({ ...elastic, max: 2 })).state, 'succeeded')
  world.hangs = 'w-2'
  world.dropped = 50
  await until(async () => (await group())?.running.length === 2, 'another one is started')
  const health = async () => await getJson(`${url}/v1/health`)
  t.same((await health()).reasons, [])
  world.hangs = ''
  await until(
    async () => (await getJson(`${url}/v1/requests?type=start`)).requests[0].state === 'succeeded',
    'it is started'
  )
  t.equal((await ask('stop', { nodes: ['w-2'] })).state, 'succeeded')
  world.hangs = 'w-2'
  void ask('start', { nodes: ['w-2'] })
  await until(
    async () => (await health()).reasons.some(({ code }: { code: string }) => code === 'workers_missing'),
    'one that an operator starts is missed'
  )
  world.hangs = ''
})

await t.test('an agent that tells no figures is asked again only when the next window is over', async t => {
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: line => lines.push(line) })
  const { world, deploy } = await start(t, {}, log)
  world.isMute = true
  t.equal((await deploy(quiet)).state, 'succeeded')
  await until(() => world.told > 0, 'it is asked')
  await sleep(3000)
  t.equal(world.told, 1)
  t.match(
    lines.filter(line => line.includes('elastic groups of agent-a')),
    { length: 1 }
  )
})

await t.test('a group is not exhausted while its instance is away', async t => {
  const { world, deploy, url, agent } = await start(t)
  t.equal((await deploy({ ...elastic, max: 1 })).state, 'succeeded')
  world.dropped = 50
  const codes = async () => (await getJson(`${url}/v1/health`)).reasons.map(({ code }: { code: string }) => code)
  await until(async () => (await codes()).includes('elastic_exhausted'), 'it is exhausted')
  await agent.close()
  await until(async () => (await codes()).includes('workers_missing'), 'the instance is away')
  t.notOk((await codes()).includes('elastic_exhausted'))
})

await t.test(
  'a deployment in steps that was interrupted is left as it is, and going back stops nothing that runs',
  async t => {
    const flags = { 'management-state-dir': stateDir(t) }
    const first = await start(t, flags)
    t.equal((await first.deploy(elastic)).state, 'succeeded')
    first.world.hangs = 'w-3'
    const rolling = first.deploy(4, steps).catch(() => {})
    await until(() => first.agent.count('deploy') === 3 && first.running.has('w-2'), 'it is at its second step')
    await first.close()
    await rolling

    const second = await start(t, flags)
    for (const node of first.running) second.running.add(node)
    await until(() => second.agent.count('deploy') > 0, 'it is told what is deployed')
    second.world.dropped = 50
    await sleep(3000)
    t.equal(second.agent.count('start'), 0)
    t.same((await getJson(`${second.url}/v1/requests?type=start`)).requests, [])

    t.equal((await second.ask('deploy', { revision: 1 })).state, 'succeeded')
    t.match((await second.group())?.running.slice(0, 2), ['w-1', 'w-2'])
  }
)

await t.test('Prometheus is not told of spares', async t => {
  const { deploy, ask, url } = await start(t)
  t.equal((await deploy({ ...quiet, max: 2 })).state, 'succeeded')
  const targets = async () =>
    (await getJson(`${url}/v1/prometheus/targets`)).map(({ labels }: { labels: { node: string } }) => labels.node)
  t.same(await targets(), ['manager', 'w-1'])
  await ask('start', { nodes: ['w-2'] })
  t.same(await targets(), ['manager', 'w-1', 'w-2'])
})

await t.test('a worker that is in no elastic group any more is not stopped for one', async t => {
  const { deploy, controller, ask, running } = await start(t)
  t.equal((await deploy(2)).state, 'succeeded')
  const change = { name: 'w', instance: 'agent-a', time: 1, reason: 'it was idle' }
  const { request } = await controller.request('stop', { nodes: ['w-2'] }, { elastic: change })
  t.match(await controller.waitForRequest(request.reqid, 60), {
    state: 'failed',
    results: [{ node: 'w-2', error: 'node w-2 is in no elastic group any more' }]
  })
  t.ok(running.has('w-2'))
  t.equal((await ask('plan')).results.filter(({ data }) => data?.plan && data.plan.action !== 'none').length, 0)
})

await t.test('what is wrong with it is told by its name', async t => {
  const { ask, url } = await start(t)
  t.match((await ask('stage_configuration', { config: config({ min: 3, max: 2 }) })).results, [
    { error: "group 'w': workers.min is 3, which is more than workers.max, 2" }
  ])
  const errorsOf = async (workers: unknown) => {
    const response = await fetch(`${url}/v1/requests/stage_configuration`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ config: config(workers as object) })
    })
    return ((await response.json()) as any).errors
  }
  const field = 'body/config/groups/0/workers'
  t.same(await errorsOf({ min: 1 }), [{ field: `${field}/max`, message: 'is required' }])
  t.same(await errorsOf({ min: 0, max: 2 }), [{ field: `${field}/min`, message: 'must be >= 1' }])
  t.match(await errorsOf({ min: 1, max: 2, cooldown: 3 }), [{ field: `${field}/cooldown` }])
  t.match(await errorsOf('many'), [
    { field, message: /^must be a number of workers from 1 to 4096, "auto", or an object/ }
  ])
})
