import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { pushBundle } from '../support/bundles.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { pcapOf } from '../support/pcap.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'

const sensors = ['sensor-1', 'sensor-2'] as const
const file = 'checks/dns.pcap'
const whole = 'event zeek_init() { }\n'
const lossy = 'event zeek_init() { Log::disable_stream(Conn::LOG); }\n'

await t.test('a deployment that loses a log is told before anything is changed', async t => {
  const { url, settings, ask } = await startTestController(t)
  const agents = await Promise.all(sensors.map(async name => await startTestAgent(t, name, settings.controller_port)))
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 2, 'both are connected')
  const stage = async (local: string, captures: object[] = [{ file }]) => {
    const entries = [
      { path: 'scripts/local.zeek', content: local },
      { path: file, content: pcapOf(3) }
    ]
    const bundle = await pushBundle(url, entries)
    return await ask('stage_configuration', { config: { ...configurationOf(sensors), bundle, captures } })
  }
  const all = async () => ({
    pids: (await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)).nodes.map(({ pid }: { pid: number }) => pid),
    deployed: (await getJson(`${url}/v1/configurations/deployed`)).configuration.bundle
  })
  const ofCaptures = (results: readonly { data?: { captures?: unknown } }[]) =>
    results.filter(({ data }) => data?.captures)
  const left = () =>
    agents.flatMap(({ settings: { management_state_dir: state } }) => {
      const checks = join(state, 'checks')
      return existsSync(checks) ? readdirSync(checks) : []
    })

  await t.test('the first one is compared with what is expected', async t => {
    t.equal((await stage(whole, [{ file, expected: { conn: 4 } }])).state, 'succeeded')
    const { state, results } = await ask('deploy', { require: 'captures' })
    t.equal(state, 'failed')
    t.match(results, [{ instance: 'sensor-2', success: false, error: `${file}: conn.log has 3 lines, 4 expected` }])
    t.equal((await getJson(`${url}/v1/configurations/deployed`)).status, 404)
    await stage(whole, [{ file, expected: { conn: 3 } }])
    t.equal((await ask('deploy', { require: 'captures' })).state, 'succeeded')
  })

  await t.test('what loses lines is refused, if that is required', async t => {
    const before = await all()
    await stage(lossy)
    const { state, results } = await ask('deploy', { require: 'captures' })
    t.equal(state, 'failed')
    t.match(results, [
      {
        instance: 'sensor-2',
        success: false,
        error: `${file}: conn.log has no line, 3 before`,
        data: {
          findings: [{ level: 'error' }],
          captures: [
            {
              file,
              logs: [
                { log: 'conn', before: 3, now: 0, lost: true },
                { log: 'packet_filter', lost: false }
              ]
            }
          ]
        }
      }
    ])
    t.equal(results.length, 1)
    t.same(await all(), before)
    t.match(ofCaptures((await ask('check', { require: 'captures' })).results), [{ success: false }])
    t.match(ofCaptures((await ask('check')).results), [{ success: true, data: { findings: [{ level: 'warning' }] } }])
    t.same(await all(), before)
    t.same(left(), [])
  })

  await t.test('else it is a warning, and deployed', async t => {
    const before = await all()
    const { state, results } = await ask('deploy', { strategy: 'at_once' })
    t.equal(state, 'succeeded')
    t.match(ofCaptures(results), [
      { success: true, data: { findings: [{ level: 'warning', message: `${file}: conn.log has no line, 3 before` }] } }
    ])
    t.not((await all()).deployed, before.deployed)
  })

  await t.test('other captures restart nobody, and what is deployed can be checked', async t => {
    const before = await all()
    await stage(lossy, [{ file, expected: { conn: 0 } }])
    t.equal((await ask('deploy', { require: 'captures', strategy: 'by_role' })).state, 'succeeded')
    t.same((await all()).pids, before.pids)
    t.match(ofCaptures((await ask('check', { deployed: true })).results), [
      { success: true, data: { captures: [{ logs: [{ log: 'conn', now: 0, expected: 0, before: undefined }, {}] }] } }
    ])
  })

  await t.test('a file that the bundle does not have is refused where it is named', async t => {
    const errors = async (captures: object[]) => (await stage(whole, captures)).results.map(({ error }) => error)
    t.same(await errors([{ file: 'checks/none.pcap' }, { file }, { file }]), [
      'captures/0/file: the bundle has no checks/none.pcap',
      `captures/2/file: ${file} is named before`
    ])
    t.match(
      (await ask('stage_configuration', { config: { ...configurationOf(sensors), captures: [{ file }] } })).results,
      [{ error: 'captures: they are files of a bundle, and there is none' }]
    )
  })

  await t.test('nothing can be required that is not checked', async t => {
    const { json } = await answerOf(
      await fetch(`${url}/v1/requests/deploy`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ require: 'captures', check: false })
      })
    )
    t.match(json, { status: 400, errors: [{ field: 'body/require' }] })
    await ask('stage_configuration', { config: configurationOf(sensors) })
    t.match((await ask('deploy', { require: 'captures' })).results, [
      { success: false, error: 'require: the configuration has no captures' }
    ])
  })
})
