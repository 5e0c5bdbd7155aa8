import t from 'tap'
import { argsOf, isPlanRefused, revisionOf } from '../../console/model/deployment.js'
import { noStepFields } from '../../console/model/strategy.js'
import {
  changesOf,
  choiceOf,
  numberIn,
  summaryOf,
  type Revision,
  type RevisionDifference
} from '../../console/model/revisions.js'
import type { ClusterRequest } from '../../console/model/types.js'

const idOf = (digit: string) => digit.repeat(64)
const revision = (number: number, more: Partial<Revision> = {}): Revision => ({
  revision: number,
  deployed: false,
  outcome: 'succeeded',
  created_at: '2026-11-29T10:00:00.000Z',
  reqid: 'r',
  config_id: 'c',
  nodes: 3,
  ...more
})
const nothing = { added: [], removed: [], changed: [] }
const difference = (more: Partial<RevisionDifference> = {}): RevisionDifference => ({
  from: revision(1),
  to: revision(2),
  instances: nothing,
  nodes: nothing,
  groups: nothing,
  ...more
})

await t.test('what is different is told part by part, as people count, each field in a line', async t => {
  const found = changesOf(
    difference({
      instances: { ...nothing, added: ['b'] },
      nodes: {
        added: ['w-10'],
        removed: ['w-1'],
        changed: [
          {
            name: 'w-2',
            fields: [
              { field: 'env.A', before: '"1"', after: '"2"' },
              { field: 'interface', after: '"eth1"' }
            ]
          }
        ]
      },
      groups: { ...nothing, changed: [{ name: 'lab', fields: [{ field: 'workers', before: '2' }] }] }
    })
  )
  t.same(
    found.map(({ kind, noun, name, field, change }) => [kind, `${noun} ${name}`, field, change]),
    [
      ['added', 'instance b', '', 'added'],
      ['removed', 'node w-1', '', 'removed'],
      ['changed', 'node w-2', 'env.A', '"1" → "2"'],
      ['changed', 'node w-2', 'interface', 'none → "eth1"'],
      ['added', 'node w-10', '', 'added'],
      ['changed', 'group lab', 'workers', '2 → none']
    ]
  )
})

await t.test('what it comes to is said in a line', async t => {
  t.equal(summaryOf(difference()), 'Nothing differs.')
  const file = { path: 'scripts/x', sha256: 'a', size: 1, executable: false }
  const bundles = { from: revision(1, { bundle: idOf('a') }), to: revision(2, { bundle: idOf('b') }) }
  t.equal(
    summaryOf(
      difference({
        ...bundles,
        nodes: { added: ['a', 'b'], removed: ['c'], changed: [] },
        bundle: { ...nothing, from: idOf('a'), to: idOf('b'), added: [file] }
      })
    ),
    '2 nodes added, 1 node removed, 1 file added.'
  )
  t.equal(
    summaryOf(difference(bundles)),
    'bundle bbbbbbbbbbbb instead of aaaaaaaaaaaa, not both of which are kept.',
    'one whose files are gone'
  )
  t.equal(summaryOf(difference({ to: bundles.to })), 'bundle bbbbbbbbbbbb added.')
  t.equal(summaryOf(difference({ from: bundles.from })), 'bundle aaaaaaaaaaaa removed.')
})

await t.test('a revision is a line of a choice, with the beginning of its comment', async t => {
  t.match(choiceOf(revision(12, { deployed: true, comment: 'more\nworkers' })), /^12 · .* · deployed · more workers$/)
  t.match(choiceOf(revision(3, { comment: 'x'.repeat(500) })), /^3 · [^x]* · x{60}…$/)
  t.match(choiceOf(revision(4, { comment: '\u202egnp' })), /· \\u202egnp$/)
})

await t.test('a URL names a revision, or none', async t => {
  t.same(['12', '0', '-1', '1e3', '1.5', '', 'x', '9'.repeat(30)].map(numberIn), [12, ...Array(7).fill(undefined)])
})

await t.test('a deployment has what was chosen, and is one of the plan only where that was asked', async t => {
  const steps = noStepFields
  const none = { check: true, requiresCaptures: false, force: false, comment: ' \n', steps }
  t.same(argsOf(none), {})
  t.same(argsOf({ ...none, requiresCaptures: true }), { require: 'captures' })
  t.same(argsOf({ check: false, requiresCaptures: true, force: true, comment: ' why ', steps }), {
    check: false,
    force: true,
    comment: 'why'
  })
  const request = (more: Partial<ClusterRequest>) =>
    ({ state: 'failed', arguments: {}, results: [], ...more }) as ClusterRequest
  const whole = { reqid: 'r', success: false, error: 'what is to be done has changed since plan p: w-1' }
  const planned = { plan: 'p' }
  t.ok(isPlanRefused(request({ arguments: planned, results: [whole] })))
  t.notOk(isPlanRefused(request({ results: [whole] })))
  t.notOk(isPlanRefused(request({ arguments: planned, results: [{ ...whole, node: 'w-1' }] })), 'a check has failed')
  t.notOk(isPlanRefused(request({ arguments: planned, state: 'pending' })))
  t.equal(revisionOf(request({ results: [whole, { reqid: 'r', success: true, data: { revision: 7 } }] })), 7)
  t.equal(revisionOf(request({ results: [whole] })), undefined)
  t.equal(
    revisionOf(request({ results: [{ ...whole, data: { revision: 6, reverted: true } }] })),
    undefined,
    'the one it went back to'
  )
})
