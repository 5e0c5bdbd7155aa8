import t from 'tap'
import { fits, typesOf } from '../../console/model/event-filter.js'
import { wordsOf } from '../../console/model/event-words.js'
import {
  bytes,
  clockOrDay,
  count,
  counted,
  exact,
  lag,
  offsetAt,
  percent,
  plain,
  plainOutput,
  sentText,
  span
} from '../../console/model/format.js'
import { consequences, named, ofInstance, ofNodes } from '../../console/model/selection.js'
import { countStates, isAmiss, toneOf, toneOfRequest } from '../../console/model/states.js'
import type { DomainEvent, Node } from '../../console/model/types.js'

await t.test('numbers have units that people read', async t => {
  t.same([0, 59, 60, 3600, 4800, 90_000, -5].map(span), ['0 s', '59 s', '1 min', '1 h', '1 h 20 min', '1 d 1 h', '0 s'])
  t.same([0, 999, 1000, 61_000, 2.5e6, 3e9].map(count), ['0', '999', '1.0k', '61.0k', '2.5M', '3.0G'])
  t.same([0, 512, 2048, 272_629_760, 5e12].map(bytes), ['0 B', '512 B', '2.0 KiB', '260 MiB', '4.5 TiB'])
  t.same([0, 0.04, 0.5, 12, 250.4].map(percent), ['0%', '<0.1%', '0.5%', '12%', '250%'])
  t.same([0.012, 2.5].map(lag), ['12 ms', '2.5 s'])
  t.same([counted(1, 'node'), counted(2, 'node')], ['1 node', '2 nodes'])
})

await t.test('how much of a file is sent is all of it only at the end', async t => {
  t.equal(sentText(0, 2048), '0 B of 2.0 KiB, 0%')
  t.equal(sentText(2047, 2048), '2.0 KiB of 2.0 KiB, 99%')
  t.match(sentText(2048, 2048), /^All of it is sent/)
})

await t.test('times are in the zone of the viewer, with its offset', async t => {
  const at = new Date(2026, 10, 22, 4, 8, 6, 7)
  t.equal(exact(at.getTime()), `2026-11-22 04:08:06.007 ${offsetAt(at)}`)
  t.equal(clockOrDay(at.getTime(), at.getTime() + 3_600_000), '04:08:06')
  t.equal(clockOrDay(at.getTime(), at.getTime() + 86_400_000), '2026-11-22 04:08:06', 'that of another day tells it')
  t.equal(offsetAt({ getTimezoneOffset: () => -330 } as Date), 'UTC+05:30')
  t.equal(offsetAt({ getTimezoneOffset: () => 480 } as Date), 'UTC-08:00')
})

await t.test('what hides or reorders text is made visible, and the rest is left as it is', async t => {
  t.equal(plain('a\u202eb\u0007\u200b<img src=x>\tc\n日本 é'), 'a\\u202eb\\u0007\\u200b<img src=x>\tc\n日本 é')
  t.equal(plain('\u{e0041}'), '\\ue0041', 'beyond the first 65,536 characters')
  t.equal(plainOutput('\u001b[31mred\u001b[0m \u001b]0;title\u0007plain\u001b'), 'red plain\\u001b')
})

const node = (name: string, more: Partial<Node> = {}): Node => ({
  instance: 'sensor-1',
  node: name,
  state: 'RUNNING',
  mgmt_role: 'NODE',
  cluster_role: 'WORKER',
  ...more
})

await t.test('each state has a tone; what is not known is doubtful', async t => {
  t.same(['RUNNING', 'PENDING', 'STOPPED', 'CRASHED', 'FAILED', 'UNKNOWN', 'NEW'].map(toneOf), [
    'good',
    'busy',
    'quiet',
    'bad',
    'bad',
    'doubt',
    'doubt'
  ])
  t.same(['succeeded', 'pending', 'partial', 'timed_out'].map(toneOfRequest), ['good', 'busy', 'bad', 'doubt'])
  t.same(countStates([node('a'), node('b', { state: 'CRASHED' }), node('c')]), [
    ['RUNNING', 2],
    ['CRASHED', 1]
  ])
  t.notOk(isAmiss(node('a', { state: 'STOPPED', desired_state: 'STOPPED' })), 'as it is wanted')
  t.ok(isAmiss(node('a', { state: 'STOPPED', desired_state: 'RUNNING' })))
})

await t.test('before something is done it is said what that does', async t => {
  const nodes = [
    node('w-1'),
    node('w-2', { state: 'STOPPED', desired_state: 'STOPPED' }),
    node('m', { cluster_role: 'MANAGER' })
  ]
  t.equal(ofInstance('sensor-1', nodes).name, '3 nodes of sensor-1')
  t.same(ofNodes([nodes[0]!]), { args: { nodes: ['w-1'] }, nodes: [nodes[0]], name: 'w-1' })
  const said = (verb: 'start' | 'stop' | 'restart') => consequences(verb, ofNodes(nodes)).join(' ')
  t.match(said('restart'), /^2 nodes get new processes\. Workers miss packets .* w-2 is to be stopped, and stays so\.$/)
  t.match(said('stop'), /^2 processes are ended, .* no packets.* no logs are written\.$/)
  t.match(said('start'), /^w-1, m run already and are left alone\./)
  t.match(consequences('stop', ofNodes([nodes[0]!])).join(' '), /^1 process is ended, and stays so/)
  t.match(named(Array.from({ length: 12 }, (_, n) => node(`n${n}`))), / and 4 more$/)
})

const event = (parts: object) => ({ cursor: 'e.1', time: '2026-11-22T14:48:56.123Z', ...parts }) as DomainEvent

await t.test('events are told in words', async t => {
  const told = (parts: object) => wordsOf(event(parts))
  t.match(
    told({
      type: 'notify_change',
      instance: 's',
      node: 'w',
      old_state: 'RUNNING',
      new_state: 'CRASHED',
      reason: '\u202ex'
    }),
    { tone: 'bad', text: 'RUNNING → CRASHED: \\u202ex', node: 'w', instance: 's' }
  )
  t.match(told({ type: 'deploy_request', reqid: 'r', arguments: {}, expires_at: '' }), {
    tone: 'busy',
    text: 'deploy was asked for',
    reqid: 'r'
  })
  const results = [
    { reqid: 'r', success: false, error: 'no' },
    { reqid: 'r', success: false, error: 'nor this' }
  ]
  t.match(told({ type: 'deploy_response', reqid: 'r', state: 'failed', success: false, results, warnings: [] }), {
    tone: 'bad',
    text: 'deploy failed: no (and 1 more)'
  })
  t.match(told({ type: 'request_progress', reqid: 'r', results }), { text: '2 of 2 have failed' })
  t.match(
    told({
      type: 'request_progress',
      reqid: 'r',
      results: [],
      waiting: [{ node: 'w', state: 'starting', seconds: 5 }]
    }),
    {
      text: 'w starting for 5 s'
    }
  )
  t.match(told({ type: 'notify_health', ready: true, reasons: [] }), { tone: 'good' })
})

await t.test('a filter of events is what the controller is asked for, and what fits of those that come', async t => {
  const changed = event({ type: 'notify_change', instance: 's', node: 'w' })
  const all = { kind: '', instance: '', node: '' }
  t.same(
    [typesOf(all), typesOf({ kind: 'nodes' }), typesOf({ kind: 'x_response' })],
    [undefined, ['notify_change'], ['x_response']]
  )
  t.ok(fits(changed, all) && fits(changed, { ...all, kind: 'nodes', node: 'w', instance: 's' }))
  t.notOk(fits(changed, { ...all, kind: 'health' }) || fits(changed, { ...all, node: 'v' }))
  t.notOk(fits(event({ type: 'node_output' }), all), 'samples and outputs are too many')
  t.ok(fits(event({ type: 'node_output' }), { ...all, kind: 'node_output' }))
})
