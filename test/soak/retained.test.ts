import t from 'tap'
import { goodHistory } from '../chaos/good.js'
import type { Line } from '../chaos/lines.js'
import { allRequests, gaps, seenBy } from './retained.js'

const lines = goodHistory()
const log = lines.flatMap(line => (line.kind === 'logged' ? [line.event] : []))
const stored = lines.flatMap(line => (line.kind === 'stored' ? [line.request] : []))

await t.test('what a client saw over all its streams is the log', async t => {
  const seen = seenBy('all', lines)
  t.same(seen, log)
  t.same([...gaps('the log', seen, log.slice(4))], [])
  t.match(
    [...gaps('the log', seen.toSpliced(3, 1), log.slice(3))],
    [/^the log: nothing was seen between 3 and e1\.5/, /^the log: e1\.4 .*is not what was seen/]
  )
  t.match([...gaps('the log', seen.slice(1), [])], [/^the log: nothing was seen between 0 and e1\.2/])
  t.same([...gaps('the log', seen.slice(0, 8), log)], [], 'it may leave first')
})

await t.test('what may be dropped is told by its events, and what may not is missing', async t => {
  const [r1, r2] = stored
  const events: Line[] = [
    { kind: 'logged', event: { ...log[0]!, ...{ arguments: r1!.arguments, time: r1!.created_at } } }
  ]
  const told = [(events[0] as Line & { kind: 'logged' }).event, ...log.slice(1)]
  const without = (gone: string) =>
    allRequests(
      told,
      stored.filter(({ reqid }) => reqid !== gone),
      { changes: 1, reads: 10 }
    )
      .map(({ reqid }) => reqid)
      .sort()
  t.same(without('r1'), ['r1', 'r2', 'r3', 'r4'])
  t.same(without(r2!.reqid), ['r1', 'r3', 'r4'], 'the newest of its kind')
  t.match(allRequests(told, [], { changes: 1, reads: 10 }), [
    {
      reqid: 'r1',
      type: 'restart',
      state: 'succeeded',
      success: true,
      arguments: r1!.arguments,
      results: r1!.results,
      created_at: r1!.created_at
    }
  ])
})
