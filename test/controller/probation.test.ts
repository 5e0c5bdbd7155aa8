import t, { type Test } from 'tap'
import { pino } from 'pino'
import { Probation, streakAfter } from '../../src/controller/probation.js'
import { RevisionTable } from '../../src/store/revisions.js'
import { openStore } from '../store/open.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { configurationOf, fakeAgent, manager, small, status, worker } from './fake-agent.js'

await t.test('a streak goes on as long as the same revision is healthy, and is looked at', t => {
  const streak = { revision: 3, from: 1000, to: 4000 }
  const after = (healthy: number | undefined, at: number) => streakAfter(streak, { healthy, at }, 500)
  t.same(after(3, 4500), { revision: 3, from: 1000, to: 4500 })
  t.same(after(3, 4501), { revision: 3, from: 4501, to: 4501 }, 'what was in between is not known')
  t.same(after(4, 4100), { revision: 4, from: 4100, to: 4100 })
  t.equal(after(undefined, 4100), undefined)
  t.same(streakAfter(undefined, { healthy: 3, at: 7 }, 500), { revision: 3, from: 7, to: 7 })
  t.end()
})

/** A store with revisions, and what looks at them with a clock of its own. */
function openProbation(t: Test, more: { directory?: string; after?: number; interval?: number } = {}) {
  const { store, directory, close } = openStore(t, more.directory)
  const table = new RevisionTable(store)
  const clock = { elapsed: 0, now: Date.parse('2026-11-29T10:00:00Z') }
  const lines: string[] = []
  const probation = new Probation({
    store,
    table,
    cluster: {
      get revision() {
        return table.latest
      }
    },
    settings: { controller_good_after: more.after ?? 300, controller_health_interval: more.interval ?? 1 },
    log: pino({ level: 'info' }, { write: line => lines.push(JSON.parse(line).msg) }),
    now: () => clock.now,
    elapsed: () => clock.elapsed
  })
  return {
    store,
    table,
    directory,
    close,
    probation,
    clock,
    lines,
    deploy: async (outcome: 'succeeded' | 'partial' | 'none yet' = 'succeeded') =>
      await store.write('written', () => {
        const reqid = `request ${(table.latest ?? 0) + 1}`
        const configuration = { id: 'c', instances: [], nodes: [] }
        const n = table.insert({ configuration, nodes: 1, time: clock.now, reqid })
        if (outcome !== 'none yet') table.conclude(reqid, outcome)
        return n
      }),
    end: async (n: number) => await store.write('written', () => table.conclude(`request ${n}`, 'succeeded')),
    /** Looks each second, for so many. */
    pass: async (seconds: number, isHealthy = true) => {
      for (let n = 0; n < seconds; n++) {
        clock.elapsed += 1000
        clock.now += 1000
        await probation.look(isHealthy)
      }
    },
    good: () =>
      table
        .list(100)
        .filter(({ good_at: at }) => at !== null)
        .map(({ n }) => n)
  }
}

await t.test('a revision is good once it was healthy for long enough, and that is told once', async t => {
  const { probation, deploy, pass, good, table, clock, lines } = openProbation(t)
  await probation.look(true)
  t.same(good(), [], 'nothing is deployed')
  await deploy('partial')
  await pass(300)
  t.same(good(), [])
  await pass(1)
  t.same(good(), [1], 'also one whose deployment has failed in part, and was completed later')
  const at = table.get(1)!.good_at
  t.equal(at, clock.now)
  await pass(700)
  await pass(1, false)
  await pass(700)
  t.equal(table.get(1)!.good_at, at, 'it stays so')
  t.same(lines, ['revision 1 is good: healthy for 300 s'])
})

await t.test('a break, another revision, and a time in which nobody looked begin it anew', async t => {
  const { deploy, pass, good, clock } = openProbation(t)
  await deploy()
  await pass(300)
  await pass(1, false)
  await pass(300)
  t.same(good(), [])
  await deploy()
  await pass(300)
  t.same(good(), [])
  clock.elapsed += 10_000
  await pass(300)
  t.same(good(), [], 'the process was stopped, say')
  await pass(1)
  t.same(good(), [2])
})

await t.test('while its deployment is under way, the time does not count', async t => {
  const { deploy, end, pass, good } = openProbation(t)
  await deploy('none yet')
  await pass(1000)
  await end(1)
  await pass(300)
  t.same(good(), [])
  await pass(1)
  t.same(good(), [1])
})

await t.test('looks may be as far apart as the settings say', async t => {
  const { probation, deploy, clock, good } = openProbation(t, { interval: 60 })
  await deploy()
  for (let n = 0; n <= 5; n++) {
    await probation.look(true)
    clock.elapsed += 60_000
  }
  t.same(good(), [1])
})

await t.test('a controller that starts warns of one that has had its time', async t => {
  const { directory, close, deploy, clock, probation, lines } = openProbation(t)
  probation.open()
  await deploy()
  clock.now += 299_999
  probation.open()
  t.same(lines, [], 'it may still become good')
  clock.now += 1
  probation.open()
  t.same(lines, [
    'revision 1, deployed at 2026-11-29T10:00:00.000Z, has never been healthy for 300 s: zeek-cluster rollback --last-good goes back to one that was'
  ])
  close()
  const again = openProbation(t, { directory })
  await again.pass(301)
  again.lines.length = 0
  again.clock.now += 1e9
  again.probation.open()
  t.same(again.lines, [], 'it was good')
})

await t.test('a store that fails costs a look, and nothing else', async t => {
  const { deploy, pass, probation, close } = openProbation(t)
  await deploy()
  await pass(300)
  close()
  await t.resolves(pass(1))
  await t.resolves(probation.look(false))
})

async function start(t: Test, flags: Record<string, string> = {}) {
  const controller = await startTestController(t, {
    'controller-health-interval': '0.02',
    'controller-good-after': '0',
    ...flags
  })
  const agent = await fakeAgent(t, controller.settings.controller_port, {
    hello: { nodes: [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), status('worker-1')] }
  })
  const { url, ask } = controller
  const revisions = async () => (await getJson(`${url}/v1/revisions`)).revisions
  return {
    ...controller,
    agent,
    revisions,
    deploy: async (config: object) => {
      await ask('stage_configuration', { config })
      return await ask('deploy', { check: false })
    },
    becomesGood: async (n: number) =>
      await until(
        async () => (await revisions()).find(({ revision }: { revision: number }) => revision === n)?.good_at,
        `revision ${n} is good`
      )
  }
}

await t.test('the last good one is deployed again', async t => {
  const directory = directoryOf(t)
  const one = await start(t, { 'management-state-dir': directory })
  const none = { state: 'failed', results: [{ success: false, error: 'no revision is good but the deployed one' }] }
  t.match(await one.ask('deploy', { last_good: true }), none)
  await one.deploy(small('c1'))
  const goodAt = await one.becomesGood(1)
  t.match(await one.ask('deploy', { last_good: true }), none, 'it is deployed')
  // One that never runs, and another one.
  const bad = (id: string) => configurationOf(['agent-a'], [manager(), worker('worker-2')], id)
  await one.deploy(bad('c2'))
  await one.deploy(bad('c3'))
  t.match(await one.revisions(), [{ revision: 3, deployed: true }, { revision: 2 }, { good_at: goodAt }])
  t.notOk((await one.revisions()).slice(0, 2).some((revision: object) => 'good_at' in revision))
  await one.close()

  const two = await start(t, { 'management-state-dir': directory })
  const back = await two.ask('deploy', { last_good: true, check: false })
  t.match(back, { state: 'succeeded', results: [{}, {}, { data: { id: 'c1', revision: 4 } }] })
  t.match(await two.revisions(), [{ comment: 'revision 1 again', config_id: 'c1' }, {}, {}, { good_at: goodAt }])
  t.equal((await getJson(`${two.url}/v1/configurations/staged`)).configuration.id, 'c1')
  await two.becomesGood(4)
})

await t.test('it excludes a revision, and a plan is of what is staged', async t => {
  const { url, ask } = await startTestController(t)
  const post = async (body: object) =>
    await answerOf(
      await fetch(`${url}/v1/requests/deploy`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body)
      })
    )
  t.match(await post({ last_good: true, revision: 1 }), {
    status: 400,
    json: {
      code: 'invalid_request',
      detail: 'body/last_good excludes revision; body/revision excludes last_good',
      errors: [{ field: 'body/last_good' }, { field: 'body/revision' }]
    }
  })
  t.equal((await getJson(`${url}/v1/requests`)).requests.length, 0)
  t.match((await ask('deploy', { last_good: false, revision: 1 })).results, [{ error: 'there is no revision 1' }])
  t.match(await post({ last_good: 1 }), { status: 400, json: { errors: [{ field: 'body/last_good' }] } })
})

await t.test('a deployment of the last good one has the time that its own nodes may take', async t => {
  const { deploy, becomesGood, controller } = await start(t)
  await deploy(small('c1'))
  await becomesGood(1)
  await deploy(configurationOf(['agent-a'], []))
  await becomesGood(2)
  await deploy(configurationOf(['agent-a', 'agent-b'], []))
  t.equal(controller.patience('deploy', { last_good: true }), controller.patience('deploy', { revision: 2 }))
  t.ok(controller.patience('deploy', { revision: 1 }) > controller.patience('deploy', { last_good: true }))
})
