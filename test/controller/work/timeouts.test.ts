import t from 'tap'
import type { RequestArguments, RequestType } from '../../../schemas/api.js'
import type { ClusterNode } from '../../../schemas/types.js'
import type { Fleet } from '../../../src/controller/fleet.js'
import { timeoutOf } from '../../../src/controller/work/timeouts.js'
import { settingsOf } from '../../support/settings.js'

const node = (name: string, role: ClusterNode['role'], instance = 'a'): ClusterNode => ({ name, role, instance })
const nodes = [
  node('m', 'MANAGER'),
  node('l', 'LOGGER'),
  node('p', 'PROXY'),
  node('w1', 'WORKER'),
  node('w2', 'WORKER'),
  node('w3', 'WORKER', 'b')
]
const deployed = { id: 'c', instances: [{ name: 'a' }, { name: 'b' }], nodes }
/** As agents have said; those that are not named have said nothing. */
const fleetOf = (times: Record<string, { stop: number; start: number; capture?: number; upgrade?: number }>) =>
  ({ known: () => Object.entries(times).map(([name, times]) => ({ name, hello: { times } })) }) as unknown as Pick<
    Fleet,
    'known'
  >

interface Given {
  flags?: Record<string, string>
  times?: Record<string, { stop: number; start: number; capture?: number; upgrade?: number }>
  deployed?: typeof deployed | undefined
  staged?: typeof deployed
}
const defaults = settingsOf({})
const given = (type: RequestType, args: RequestArguments, more: Given = {}) =>
  timeoutOf(type, args, {
    settings: more.flags ? settingsOf(more.flags) : defaults,
    fleet: fleetOf(more.times ?? {}),
    deployed,
    staged: undefined,
    ...more
  })

/** 20 s to stop, 60 s to start, 5 s for what lies between. */
await t.test('a stop has the time of each role of an instance, one after the other', async t => {
  t.equal(given('stop', {}), 4 * 20 + 5)
  t.equal(given('stop', { roles: ['WORKER'] }), 20 + 5, 'instances do it beside each other')
  t.equal(given('stop', {}, { times: { b: { stop: 300, start: 1 } } }), 300 + 5, 'the slowest counts')
})

await t.test('a start has the time that a node may need to join, and a restart that to stop, too', async t => {
  t.equal(given('start', {}), 60 + 5)
  t.equal(
    given('start', { nodes: ['w3'] }, { times: { a: { stop: 1, start: 500 }, b: { stop: 1, start: 90 } } }),
    90 + 5,
    'only those that are meant count'
  )
  t.equal(given('restart', {}), 4 * 20 + 60 + 5)
})

await t.test('a rolling restart has the time of all its steps', async t => {
  t.equal(given('restart', { strategy: 'rolling' }), 6 * (20 + 60 + 5))
  t.equal(given('restart', { strategy: 'rolling', max_parallel: 3, roles: ['WORKER'] }), 20 + 60 + 5)
  t.equal(
    given('restart', { strategy: 'rolling', roles: ['WORKER'] }, { times: { b: { stop: 100, start: 200 } } }),
    2 * (20 + 60 + 5) + 100 + 200 + 5
  )
})

await t.test(
  'a deployment has the time to find agents, to check, to stop what was and to start what is to be',
  async t => {
    const strategy = 'at_once' as const
    t.equal(given('deploy', { strategy }), 5 + 120 + 4 * 20 + 60 + 5)
    t.equal(given('deploy', { strategy, check: false }), 5 + 4 * 20 + 60 + 5)
    const before = { ...deployed, nodes: [node('m', 'MANAGER')] }
    t.equal(
      given(
        'deploy',
        { strategy, check: false },
        { deployed: before, staged: { ...deployed, nodes: [node('w', 'WORKER')] } }
      ),
      5 + 2 * 20 + 60 + 5
    )
    t.equal(given('deploy', { check: false }, { deployed: undefined, staged: { ...deployed, nodes: [] } }), 10)
  }
)

await t.test('a deployment in steps has the time to plan, of each step, to wait, and to go back', async t => {
  const step = 20 + 60 + 5
  const back = 5 + 4 * 20 + 60 + 5
  t.equal(given('deploy', { check: false }), 60 + 4 * (step + 5) + back, 'by role')
  t.equal(given('deploy', { check: false, strategy: 'rolling' }), 60 + 6 * (step + 5) + back)
  t.equal(
    given('deploy', { check: false, max_parallel: 3, min_healthy_seconds: 1, canary: 1, canary_seconds: 100 }),
    60 + 5 * (step + 1) + 100 + back
  )
})

await t.test('what is set counts, for each step where it is rolling, and nothing is longer than may be', async t => {
  const flags = {
    'controller-timeout-stop': '7',
    'controller-timeout-restart': '3',
    'controller-timeout-deploy': '9',
    'controller-timeout-max': '65'
  }
  const strategy = 'at_once' as const
  t.same(
    [given('stop', {}, { flags }), given('restart', {}, { flags }), given('deploy', { strategy }, { flags })],
    [7, 3, 9]
  )
  t.equal(given('deploy', {}, { flags }), 4 * (9 + 5))
  t.equal(given('restart', { strategy: 'rolling' }, { flags }), 18)
  t.equal(given('restart', { strategy: 'rolling' }, { flags: { 'controller-timeout-max': '65' } }), 65)
})

await t.test(
  'without a deployment, or of nothing, a request has ten seconds; a question has those of its type',
  async t => {
    for (const type of ['start', 'stop', 'restart'] as const) t.equal(given(type, {}, { deployed: undefined }), 10)
    t.equal(given('stop', { nodes: ['ghost'] }), 10)
    t.equal(given('get_nodes', {}), 10)
    t.equal(given('get_node_output', { follow: true, duration: 5 }), 15)
  }
)

await t.test('a check has the time of its captures, and so has a deployment that checks', async t => {
  const captures = { ...deployed, captures: [{ file: 'checks/a.pcap' }, { file: 'checks/b.pcap' }] }
  const times = { a: { stop: 20, start: 60, capture: 100 } }
  t.equal(given('check', {}, { staged: captures }), 120 + 2 * 2 * 60)
  t.equal(given('check', {}, { staged: captures, times }), 120 + 2 * 2 * 100)
  t.equal(given('check', { deployed: true }, { staged: captures }), 120)
  const more = given('deploy', {}, { staged: captures }) - given('deploy', {}, { staged: deployed })
  t.equal(more, 2 * 2 * 60)
  t.equal(
    given('deploy', { check: false }, { staged: captures }),
    given('deploy', { check: false }, { staged: deployed })
  )
})

await t.test('an upgrade has the time of a fetch and a trial, of one instance after the other', async t => {
  const one = 600 + 300 + 60
  const times = { a: { stop: 1, start: 1 }, b: { stop: 1, start: 1 }, c: { stop: 1, start: 1 } }
  t.equal(given('upgrade', {}, { times }), 3 * one)
  t.equal(given('upgrade', { max_parallel: 2 }, { times }), 2 * one)
  t.equal(given('upgrade', { instances: ['a'] }, { times }), one)
  t.equal(given('upgrade', {}, { times: { a: { stop: 1, start: 1, upgrade: 100 } } }), one - 200)
  t.equal(given('upgrade', {}), 600)
})
