import t from 'tap'
import { Progress } from '../../src/cli/progress.js'
import type { Followed } from '../../src/client/events.js'
import { screenOf } from '../../src/terminal/screen.js'

const screen = screenOf({ isTTY: true, columns: 60, rows: 10 }, { LANG: 'C.UTF-8', NO_COLOR: '1' })
const stamp = { cursor: 'e.1', time: '2026-01-01T00:00:00.000Z', reqid: 'r', instance: 'sensor-1' }
const change = (node: string, state: string, reason: string) =>
  ({ ...stamp, type: 'notify_change', node, old_state: 'PENDING', new_state: state, reason }) as Followed
const answer = (results: object[], waiting: object[] = []) =>
  ({ ...stamp, type: 'request_progress', results, waiting }) as unknown as Followed

await t.test('nodes wait, are busy, and are done or have failed', async t => {
  const progress = new Progress(['manager', 'worker-1', 'worker-2'])
  t.same(progress.lines(screen, 0), [`${'░'.repeat(30)} 0 of 3`])
  t.same(progress.apply(change('manager', 'PENDING', 'starting'), 1000), ['manager: PENDING (starting)'])
  t.same(progress.apply(answer([], [{ node: 'worker-1', state: 'starting', seconds: 12 }]), 20_000), [
    'worker-1: starting, for 12 s'
  ])
  t.same(progress.lines(screen, 21_000), [
    `${'░'.repeat(30)} 0 of 3`,
    '⠋ manager  PENDING (starting) 20s',
    '⠋ worker-1  starting 13s'
  ])
  t.same(
    progress.apply(
      answer([
        { node: 'manager', success: true },
        { node: 'worker-1', success: false, error: 'exited\u001b[2J with 1' },
        { success: true }
      ]),
      22_000
    ),
    ['worker-1: exited\\u001b[2J with 1']
  )
  t.same(progress.lines(screen, 22_000), [
    `${'█'.repeat(20)}${'░'.repeat(10)} 1 of 3, 1 failed`,
    '✖ worker-1  exited\\u001b[2J with 1'
  ])
})

await t.test('nodes of others do not matter, and those that nobody expected do', async t => {
  const progress = new Progress(['worker-1'])
  t.same(progress.apply(change('worker-9', 'CRASHED', 'exited'), 0), [])
  t.same(progress.apply(answer([{ node: 'worker-2', success: true }]), 0), [])
  t.match(progress.lines(screen, 0)[0], / 1 of 2$/)
})

await t.test('a node that has failed stays so, whatever is done with it then', async t => {
  const progress = new Progress(['worker-1'])
  progress.apply(answer([{ node: 'worker-1', success: false, error: 'exited' }]), 0)
  progress.apply(change('worker-1', 'PENDING', 'starting'), 1)
  t.match(progress.lines(screen, 0), [/ 0 of 1, 1 failed$/, '✖ worker-1  PENDING (starting)'])
})

await t.test('shows those that have failed first, as many as there is room for, and no line too long', async t => {
  const names = Array.from({ length: 20 }, (_, n) => `worker-${n}`)
  const progress = new Progress(names)
  for (const name of names) progress.apply(change(name, 'PENDING', '長い理由'.repeat(20)), 0)
  progress.apply(answer([{ node: 'worker-19', success: false, error: 'x'.repeat(200) }]), 0)
  const lines = progress.lines(screen, 0)
  t.equal(lines.length, screen.rows - 2)
  t.match(lines[1], /^✖ worker-19 {2}x+…$/)
  t.match(lines.at(-1), '… and 14 more')
})

await t.test('events that are not known, and a cluster without nodes, are no trouble', async t => {
  const progress = new Progress([])
  t.same(progress.apply({ ...stamp, type: 'notify_weather' } as unknown as Followed, 0), [])
  t.same(progress.apply({ type: 'reset', reason: 'epoch' } as unknown as Followed, 0), [])
  t.match(progress.lines(screen, 0), [/^░+ 0 of 0$/])
})
