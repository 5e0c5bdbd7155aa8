import t from 'tap'
import { sharesOf, spanFor, staysOf, type Change } from '../../console/model/timeline.js'

const now = Date.parse('2026-11-22T15:00:00Z')
let cursor = 0
const change = (minutesAgo: number, from: string, to: string, reason = ''): Change => ({
  type: 'notify_change',
  cursor: `e.${++cursor}`,
  time: new Date(now - minutesAgo * 60_000).toISOString(),
  instance: 'sensor-1',
  node: 'worker-1',
  old_state: from as never,
  new_state: to as never,
  reason
})
const minutes = (stays: ReturnType<typeof staysOf>) =>
  stays.map(({ state, from, to }) => [state, (now - from) / 60_000, (now - to) / 60_000])

const started = change(50, 'STOPPED', 'PENDING')
const joined = change(49, 'PENDING', 'RUNNING', 'joined the cluster')
const crashed = change(10, 'RUNNING', 'CRASHED', 'killed by SIGSEGV')
const changes = [crashed, joined, started]

await t.test('tells in which state a node was when', async t => {
  const stays = staysOf(changes, undefined, { from: now - 3_600_000, to: now })
  t.same(minutes(stays), [
    ['STOPPED', 60, 50],
    ['PENDING', 50, 49],
    ['RUNNING', 49, 10],
    ['CRASHED', 10, 0]
  ])
  t.equal(stays.at(-1)!.reason, 'killed by SIGSEGV')
  t.equal(sharesOf(stays), 'RUNNING 65%, STOPPED 16.7%, CRASHED 16.7%, PENDING 1.7%')
  t.same(minutes(staysOf(changes, undefined, { from: now - 20 * 60_000, to: now })), [
    ['RUNNING', 20, 10],
    ['CRASHED', 10, 0]
  ])
})

await t.test('without a change that is kept it tells what is so now, and nothing of before', async t => {
  const node = { state: 'RUNNING' as const, since: new Date(now - 300_000).toISOString() }
  t.same(minutes(staysOf([], node, { from: now - 3_600_000, to: now })), [['RUNNING', 5, 0]])
  t.same(staysOf([], undefined, { from: now - 3_600_000, to: now }), [])
  t.equal(sharesOf([]), '')
})

await t.test('chooses a span that has the last changes in it', async t => {
  t.equal(spanFor([], now), 3_600_000)
  t.equal(spanFor([crashed], now), 900_000)
  t.equal(spanFor(changes, now), 3_600_000)
  t.equal(spanFor([change(60 * 24 * 90, 'PENDING', 'RUNNING')], now), 30 * 86_400_000)
})
