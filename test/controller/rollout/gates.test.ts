import t from 'tap'
import type { NodeStats } from '../../../schemas/operations.js'
import { hasLimits, isMeasured, whyBroken } from '../../../src/controller/rollout/gates.js'

const stats = (more: Partial<NodeStats>): NodeStats => ({ node: 'w', ...more }) as NodeStats
const mebi = 1_048_576

const cases = {
  max_drop_percent: {
    limit: 5,
    of: (value?: number) => stats({ dropped_percent: value }),
    over: 7.126,
    worse: 9,
    says: 'w drops 7.13 % of its packets, 5 % is allowed'
  },
  max_lag_seconds: {
    limit: 2,
    of: (value?: number) => stats({ packet_lag: value }),
    over: 3.5,
    worse: 4,
    says: 'w is 3.5 s behind, 2 s is allowed'
  },
  max_memory_bytes: {
    limit: 10 * mebi,
    of: (value?: number) => stats({ memory_bytes: value }),
    over: 12.5 * mebi,
    worse: 13 * mebi,
    says: 'w uses 12.5 MiB of memory, 10 MiB is allowed'
  },
  max_errors: {
    limit: 1,
    of: (value?: number) => stats({ reporter_errors: value, uptime: 5 }),
    over: 3,
    worse: 4,
    says: 'w has reported 3 errors, 1 is allowed'
  }
} as const

for (const [name, { limit, of, over, worse, says }] of Object.entries(cases)) {
  await t.test(name, async t => {
    const why = (before: NodeStats | undefined, now: NodeStats) => whyBroken({ [name]: limit }, before, now)
    t.equal(why(undefined, of(over)), says, 'nothing is known of before')
    t.equal(why(of(), of(over)), says, 'this is not known of before')
    t.match(why(of(0), of(over)), new RegExp(`^${says}, 0 .*before$`), 'it was better before')
    t.match(why(of(limit), of(over)), /before$/, 'it was just good enough before')
    t.equal(why(of(worse), of(over)), undefined, 'it was worse before')
    t.equal(why(of(over), of(over)), undefined, 'it was as bad before')
    t.equal(why(of(worse), of(worse + 1))?.startsWith('w '), true, 'it has become worse still')
    t.equal(why(undefined, of(limit)), undefined, 'the limit itself is allowed')
    t.equal(why(undefined, of()), undefined, 'what is not told is not held against it')
    t.equal(whyBroken({}, undefined, of(over)), undefined, 'nothing is asked for')
    t.equal(hasLimits({ [name]: limit }), true)
    t.equal(hasLimits({ [name]: 0 }), true, 'zero is a limit')
  })
}

await t.test('errors are compared with as many as there were in as much time', async t => {
  const now = stats({ reporter_errors: 2, uptime: 10 })
  const why = (before: Partial<NodeStats>) => whyBroken({ max_errors: 1 }, stats(before), now)
  t.equal(why({ reporter_errors: 20, uptime: 1000 }), 'w has reported 2 errors, 1 is allowed, 0.2 before')
  t.equal(why({ reporter_errors: 200, uptime: 1000 }), undefined)
  t.equal(why({ reporter_errors: 2, uptime: 1 }), undefined, 'one that ran for less time has no more than it had')
  t.match(whyBroken({ max_errors: 0 }, undefined, stats({ reporter_errors: 1, uptime: 1 })), /reported 1 error,/)
})

await t.test('a node has told all when it has told what there is a limit for, and can be told', async t => {
  const [worker, manager] = [{ interface: 'eth0' }, {}]
  const limits = { max_drop_percent: 5, max_errors: 0 }
  t.equal(isMeasured(limits, worker, undefined), false)
  t.equal(isMeasured(limits, worker, stats({ reporter_errors: 0 })), false)
  t.equal(isMeasured(limits, worker, stats({ reporter_errors: 0, dropped_percent: 0 })), true)
  t.equal(isMeasured(limits, manager, stats({ reporter_errors: 0 })), true)
  t.equal(isMeasured(limits, manager, stats({ dropped_percent: 0 })), false)
  t.equal(isMeasured({}, worker, undefined), true)
})

await t.test('each limit counts by itself', async t => {
  const now = stats({ dropped_percent: 50, packet_lag: 1, memory_bytes: mebi })
  t.equal(whyBroken({ max_lag_seconds: 1, max_memory_bytes: mebi }, undefined, now), undefined)
  t.match(whyBroken({ max_lag_seconds: 1, max_drop_percent: 49 }, undefined, now), /drops 50 %/)
  t.equal(hasLimits({}), false)
})
