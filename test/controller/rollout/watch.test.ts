import { EventEmitter } from 'node:events'
import t, { type Test } from 'tap'
import type { ClusterNode, NodeState, NodeStatus } from '../../../schemas/types.js'
import { watch } from '../../../src/controller/rollout/watch.js'
import type { Fleet, FleetEvents } from '../../../src/controller/fleet.js'
import { done, stopClock } from './clock.js'

const node = (name: string, instance: string): ClusterNode => ({ name, instance, role: 'WORKER' })

/** Two nodes that run on two instances, and are watched for a second, with two more of grace. */
function watched(t: Test, before: Record<string, NodeState> = {}) {
  const tick = stopClock(t)
  const statusOf = (name: string, state: NodeState): NodeStatus =>
    ({ node: name, state, mgmt_role: 'NODE', reason: 'so it is' }) as NodeStatus
  const statuses = (name: string) => new Map([[name, statusOf(name, before[name] ?? 'RUNNING')]])
  const fleet = new EventEmitter<FleetEvents>() as EventEmitter<FleetEvents> & Pick<Fleet, 'known'>
  fleet.known = () => [
    { name: 'a', statuses: statuses('w1') } as never,
    { name: 'b', statuses: statuses('w2') } as never
  ]
  const stopped = new Set<string>()
  const ending = new AbortController()
  const fate: { why?: string | undefined } = { why: 'it is watched' }
  void watch(
    fleet as unknown as Fleet,
    [node('w1', 'a'), node('w2', 'b')],
    { healthyMs: 1000, graceMs: 2000, isWanted: name => !stopped.has(name) },
    [ending.signal]
  ).then(why => {
    fate.why = why
  })
  return {
    tick,
    fleet,
    stopped,
    ending,
    fate,
    becomes: async (name: string, state: NodeState, instance = name === 'w1' ? 'a' : 'b') => {
      fleet.emit('change', instance, statusOf(name, state), 'RUNNING', 'so it is')
      await done()
    }
  }
}

await t.test('nodes that run for long enough are healthy, and nobody listens any more', async t => {
  const { tick, fate, fleet } = watched(t)
  await tick(999)
  t.equal(fate.why, 'it is watched')
  t.equal(fleet.listenerCount('change'), 1)
  await tick(1)
  t.equal(fate.why, undefined)
  t.equal(fleet.listenerCount('change'), 0)
})

for (const state of ['CRASHED', 'FAILED'] as const) {
  await t.test(`one that is ${state} is not, at once`, async t => {
    const { becomes, fate } = watched(t)
    await becomes('w2', state)
    t.equal(fate.why, `w2 is ${state}: so it is`)
  })
}

await t.test('one that is not when it begins is not', async t => {
  const { fate } = watched(t, { w1: 'FAILED' })
  await done()
  t.equal(fate.why, 'w1 is FAILED: so it is')
})

for (const state of ['UNKNOWN', 'STOPPED', 'PENDING'] as const) {
  await t.test(`one that is ${state}, its agent away or restarted, may be for as long as the grace`, async t => {
    const { tick, becomes, fate } = watched(t)
    await becomes('w1', state)
    await tick(1000)
    await tick(1999)
    t.equal(fate.why, 'it is watched')
    await tick(1)
    t.equal(fate.why, `w1 is ${state}: so it is`)
  })
}

await t.test('one that an operator stops while it is not known counts for nothing', async t => {
  const { tick, becomes, fate, stopped } = watched(t)
  await becomes('w1', 'PENDING')
  stopped.add('w1')
  await becomes('w1', 'STOPPED')
  await tick(1000)
  t.equal(fate.why, undefined)
})

await t.test('one that is back in time is healthy; all must be', async t => {
  const { tick, becomes, fate } = watched(t, { w1: 'UNKNOWN', w2: 'UNKNOWN' })
  await tick(1000)
  await becomes('w1', 'RUNNING')
  t.equal(fate.why, 'it is watched')
  await becomes('w2', 'RUNNING')
  t.equal(fate.why, undefined)
})

await t.test('one that has ended while its agent was away is not healthy', async t => {
  const { tick, becomes, fate } = watched(t)
  await becomes('w1', 'UNKNOWN')
  await tick(1000)
  await becomes('w1', 'CRASHED')
  t.equal(fate.why, 'w1 is CRASHED: so it is')
})

await t.test('what is stopped by an operator, is another node, or is elsewhere counts for nothing', async t => {
  const { tick, becomes, fate, stopped } = watched(t)
  stopped.add('w1')
  await becomes('w1', 'STOPPED')
  await becomes('w3', 'FAILED', 'a')
  await becomes('w2', 'STOPPED', 'a')
  await tick(1000)
  t.equal(fate.why, undefined)
})

await t.test('it ends with a signal, without a word', async t => {
  const { tick, becomes, fate, ending } = watched(t)
  await becomes('w1', 'UNKNOWN')
  await tick(1000)
  ending.abort()
  await done()
  t.equal(fate.why, undefined)
})
