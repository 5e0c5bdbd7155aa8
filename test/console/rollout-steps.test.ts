import t from 'tap'
import {
  actionsIn,
  figuresText,
  gatesText,
  hasGates,
  lineOf,
  numbersListed,
  rolloutSteps,
  stepsIn,
  type Rollout
} from '../../console/model/rollout.js'
import type { DomainEvent, NodeStats } from '../../console/model/types.js'

const rollout = (more: Partial<Rollout> = {}): Rollout => ({
  revision: 12,
  phase: 'watching',
  step: 3,
  of: 6,
  nodes: ['worker-1', 'worker-2'],
  done: 2,
  total: 9,
  ...more
})
const known = new Map([
  [1, ['manager']],
  [2, ['logger-1']]
])
const shown = (more: Partial<Rollout>, steps = known) =>
  rolloutSteps(rollout(more), steps).map(({ title, state, text, nodes }) => [title, state, text, nodes?.join(' ')])

await t.test('steps are done, under way, and to come', async t => {
  t.same(shown({}), [
    ['Step 1', 'done', 'done', 'manager'],
    ['Step 2', 'done', 'done', 'logger-1'],
    ['Step 3', 'now', 'watching', 'worker-1 worker-2'],
    ['Steps 4 to 6', 'coming', '5 nodes to come', undefined]
  ])
  t.same(shown({ of: 4, phase: 'canary', done: 4, total: 5 }).slice(2), [
    ['Step 3', 'now', 'canary', 'worker-1 worker-2'],
    ['Step 4', 'coming', '1 node to come', undefined]
  ])
  t.same(shown({ of: 3, phase: 'paused', done: 4, total: 4 }).slice(2), [
    ['Step 3', 'now', 'done', 'worker-1 worker-2']
  ])
})

await t.test('when it goes back, all steps so far do', async t => {
  t.same(
    shown({ phase: 'reverting', nodes: ['manager', 'logger-1', 'worker-1'] }, new Map([...known, [3, ['worker-1']]])),
    [
      ['Step 1', 'back', 'goes back', 'manager'],
      ['Step 2', 'back', 'goes back', 'logger-1'],
      ['Step 3', 'back', 'goes back', 'worker-1'],
      ['Steps 4 to 6', 'coming', 'left as it was', undefined]
    ]
  )
})

await t.test('of many steps the last are listed, and those that are not known have no nodes', async t => {
  const far = { step: 400, of: 500, total: 1000, done: 800 }
  const steps = shown(far)
  t.equal(steps.length, 22)
  t.same(steps[0], ['Step 380', 'done', 'done', undefined])
  t.equal(numbersListed(rollout(far)).at(-1), 400)
})

await t.test('steps are learnt from events in any order', async t => {
  const event = (more: Partial<Rollout>) => ({ type: 'rollout_progress', ...rollout(more) }) as unknown as DomainEvent
  t.same(
    [
      ...stepsIn([
        event({ phase: 'reverting', step: 2, nodes: ['a', 'b', 'c'] }),
        event({ step: 2, nodes: ['b', 'c'] }),
        { type: 'request_progress' } as DomainEvent,
        event({ step: 1, nodes: ['a'] })
      ])
    ],
    [
      [2, ['b', 'c']],
      [1, ['a']]
    ]
  )
})

await t.test('it is a line, with names as they may be shown', async t => {
  t.equal(lineOf(rollout()), 'Revision 12: step 3 of 6, worker-1, worker-2 — watching')
  t.match(lineOf(rollout({ nodes: Array.from({ length: 50 }, (_, n) => `w-${n}`) })), / and 42 more — watching$/)
  t.match(lineOf(rollout({ phase: '\u202elater' as never })), /\\u202elater$/)
})

await t.test('a phase allows what makes sense in it', async t => {
  t.same(actionsIn('watching', false), ['pause', 'revert', 'cancel'])
  t.same(actionsIn('changing', true), ['resume', 'revert', 'cancel'])
  t.same(actionsIn('paused', false), ['resume', 'revert', 'cancel'])
  t.same(actionsIn('canary', false), ['promote', 'pause', 'revert', 'cancel'])
  t.same(actionsIn('canary', true), ['promote', 'resume', 'revert', 'cancel'])
  t.same(actionsIn('reverting', true), [])
})

await t.test('limits are told, and the figures for which there are some', async t => {
  t.equal(gatesText({}), 'healthy for 5 s')
  const args = { min_healthy_seconds: 30, max_drop_percent: 5, max_memory_bytes: 2 ** 30 }
  t.equal(gatesText(args), 'healthy for 30 s, drop at most 5% or as before, memory at most 1.0 GiB or as before')
  const stats = { dropped_percent: 0.5, packet_lag: 1, memory_bytes: 2 ** 28 } as NodeStats
  t.equal(figuresText(args, stats), 'drop 0.5%, memory 256 MiB')
  t.equal(figuresText({ max_lag_seconds: 2 }, stats), 'lag 1.0 s')
  t.equal(figuresText(args, undefined), '')
  t.same([hasGates({}), hasGates({ min_healthy_seconds: 1 }), hasGates(args)], [false, false, true])
})
