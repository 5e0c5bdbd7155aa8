import fc from 'fast-check'
import t from 'tap'
import { elasticDefaults } from '../../../schemas/groups.js'
import { decide, type Decision, type Past, type Workers } from '../../../src/controller/elastic/decision.js'
import type { Load } from '../../../src/controller/elastic/load.js'

const limits = { min: 2, max: 4, ...elasticDefaults }
const names = (count: number, from = 1) => Array.from({ length: count }, (_, n) => `w-${from + n}`)
const workers = (running: number, more: Partial<Workers['limits']> = {}): Workers => ({
  limits: { ...limits, ...more },
  running: names(running),
  spares: names(limits.max - running, running + 1)
})
const load = (of: number, cpuPercent: number, droppedPercent: number | null = 0, packets = 1000): Load => ({
  workers: of,
  seconds: 60,
  cpuPercent,
  traffic: droppedPercent === null ? undefined : { packets, droppedPercent }
})
const none = { action: 'none' }

await t.test('one that drops too much gets the next worker, and says with which figures', async t => {
  t.strictSame(decide(workers(3), load(3, 10, 4.216), {}), {
    action: 'start',
    node: 'w-4',
    reason: 'dropped 4.22 % of its packets in 60 s, 1 % is allowed; 3 of 4 workers run',
    overload: 1000 / 3
  })
  t.strictSame(decide(workers(3), load(3, 50, 1), {}), none, 'the limit itself is allowed')
})

await t.test('so does one that uses too much of its CPUs', async t => {
  t.match(decide(workers(2), load(2, 80.5), { overload: 7 }), {
    action: 'start',
    node: 'w-3',
    reason: 'each worker used 80.5 % of a CPU in 60 s, 80 % is allowed; 2 of 4 workers run',
    overload: 7
  })
  t.match(decide(workers(2), load(2, 90, null), {}), { action: 'start' }, 'whatever it tells of packets')
})

await t.test('one that is idle loses its last worker', async t => {
  t.match(decide(workers(4), load(4, 12), {}), {
    action: 'stop',
    node: 'w-4',
    reason: 'each worker used 12 % of a CPU in 60 s, less than 30 %, and dropped nothing; 4 of 4 workers run'
  })
  t.strictSame(decide(workers(4), load(4, 30), {}), none, 'it is not idle')
  t.strictSame(decide(workers(4), load(4, 12, 0.01), {}), none, 'it has dropped something')
  t.strictSame(decide(workers(4), load(4, 12, null), {}), none, 'it does not tell what it drops')
  t.strictSame(decide(workers(2), load(2, 0), {}), none, 'fewer than min are never')
})

await t.test('none is stopped when the others would have too much to do', async t => {
  const close = { min: 1, min_cpu_percent: 50, max_cpu_percent: 80 }
  t.strictSame(decide(workers(2, close), load(2, 30), {}), none, '60 % of each is too near to 80')
  t.match(decide(workers(2, close), load(2, 29), {}), { action: 'stop' })
  t.strictSame(decide(workers(4), load(4, 1, 0, 900), { overload: 400 }), none, 'they have dropped with as much')
  t.match(decide(workers(4), load(4, 1, 0, 890), { overload: 400 }), { action: 'stop' })
})

await t.test('one that drops with all of its workers says so; a CPU that is busy is no harm', async t => {
  t.strictSame(decide(workers(4), load(4, 10, 5), {}), {
    action: 'none',
    exhausted: 'dropped 5 % of its packets in 60 s, 1 % is allowed; 4 of 4 workers run'
  })
  t.strictSame(decide(workers(4), load(4, 99), {}), none)
})

await t.test('min is reached at once: without figures, and whatever was before', async t => {
  t.match(decide(workers(1), undefined, { since: 0 }), {
    action: 'start',
    node: 'w-2',
    reason: 'at least 2 must run; 1 of 4 workers run'
  })
  t.strictSame(decide({ ...workers(1), spares: [] }, undefined, {}), none, 'there may be no other')
})

const anyLimits = fc
  .record({
    min: fc.integer({ min: 1, max: 6 }),
    more: fc.integer({ min: 0, max: 6 }),
    max_drop_percent: fc.constantFrom(0, 1, 5),
    max_cpu_percent: fc.integer({ min: 20, max: 100 }),
    min_cpu_percent: fc.integer({ min: 0, max: 19 }),
    cooldown_seconds: fc.constantFrom(0, 1, 7, 30)
  })
  .map(({ more, ...one }) => ({ ...one, max: one.min + more, window_seconds: 1 }))

/** Runs a group for so many windows of a second each. Returns its changes, and the second of each. */
function run(
  limits: Workers['limits'],
  at: number,
  seconds: number,
  loadAt: (running: number, second: number) => Load | undefined
): (Decision & { second: number; before: number })[] {
  const all = names(limits.max)
  const changes: (Decision & { second: number; before: number })[] = []
  let running = at
  const past: Past = {}
  for (let second = 0; second < seconds; second++) {
    const last = changes.at(-1)
    const since = last && second - last.second
    const of = { limits, running: all.slice(0, running), spares: all.slice(running) }
    const verdict = decide(of, loadAt(running, second), { ...past, since })
    if (verdict.action === 'none') continue
    changes.push({ ...verdict, second, before: running })
    past.overload = verdict.overload
    running += verdict.action === 'start' ? 1 : -1
  }
  return changes
}

const anyLoad = fc.option(
  fc.record({ cpu: fc.integer({ min: 0, max: 100 }), dropped: fc.constantFrom(0, 0, 2, 50, null) }),
  { nil: undefined }
)

await t.test('whatever comes: never fewer than min, never more than max, one change in a cool-down', async t => {
  fc.assert(
    fc.property(anyLimits, fc.nat(12), fc.array(anyLoad, { minLength: 60, maxLength: 60 }), (limits, at, loads) => {
      const begin = Math.min(at, limits.max)
      const changes = run(limits, begin, loads.length, (running, second) => {
        const one = loads[second]
        return one && load(running, one.cpu, one.dropped)
      })
      for (const [n, { action, node, before, second }] of changes.entries()) {
        t.equal(node, `w-${action === 'start' ? before + 1 : before}`, 'the first spare, or the last that runs')
        t.ok(action === 'start' ? before < limits.max : before > limits.min, `${action} of ${before}`)
        const last = changes[n - 1]
        if (last && before >= limits.min) t.ok(second - last.second >= limits.cooldown_seconds, 'it has cooled down')
        if (before >= limits.min) t.ok(loads[second] !== undefined, 'it has figures')
      }
    })
  )
})

await t.test('under one load it comes to rest, having turned at most once', async t => {
  const steady = fc.record({
    /** Of one CPU, all together. */
    cpu: fc.integer({ min: 0, max: 1200 }),
    packets: fc.integer({ min: 0, max: 10_000 }),
    /** Packets a second that one worker can do with. */
    capacity: fc.integer({ min: 500, max: 5000 })
  })
  fc.assert(
    fc.property(anyLimits, fc.nat(12), steady, (limits, at, { cpu, packets, capacity }) => {
      const begin = Math.min(at, limits.max)
      const seconds = 40 * (limits.cooldown_seconds + 1)
      const changes = run(limits, begin, seconds, running => {
        const lost = packets === 0 ? 0 : Math.max(0, 100 * (1 - (capacity * running) / packets))
        return running === 0 ? undefined : load(running, Math.min(100, cpu / running), lost, packets)
      })
      const turns = changes.filter(({ action }, n) => n > 0 && action !== changes[n - 1]!.action)
      t.ok(turns.length <= 1, JSON.stringify(changes))
      const last = changes.at(-1)?.second ?? 0
      t.ok(last < seconds - 2 * limits.cooldown_seconds, `the last change is at ${last} of ${seconds}`)
    })
  )
})
