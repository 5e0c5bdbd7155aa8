import t from 'tap'
import type { NodeStats } from '../../../schemas/operations.js'
import { hasLimits, whyBroken } from '../../../src/controller/rollout/gates.js'

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

await t.test('each limit counts by itself', async t => {
  const now = stats({ dropped_percent: 50, packet_lag: 1, memory_bytes: mebi })
  t.equal(whyBroken({ max_lag_seconds: 1, max_memory_bytes: mebi }, undefined, now), undefined)
  t.match(whyBroken({ max_lag_seconds: 1, max_drop_percent: 49 }, undefined, now), /drops 50 %/)
  t.equal(hasLimits({}), false)
})
