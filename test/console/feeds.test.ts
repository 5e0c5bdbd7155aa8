import t from 'tap'
import { effectsOfFeed, nameOfFile, titleOfFeedChange, toldOfFeed, type Feed } from '../../console/model/intel.js'
import type { Node, NodeState } from '../../console/model/types.js'

const feed: Feed = {
  name: 'tor',
  bundle: 'a'.repeat(64),
  indicators: 1,
  size: 2048,
  set_at: '2026-11-29T10:00:00.000Z',
  reqid: 'r'
}
const manager = (state: NodeState): Node[] => [
  { node: 'manager', instance: 'a', state, mgmt_role: 'NODE', cluster_role: 'MANAGER' },
  { node: 'worker-1', instance: 'a', state: 'RUNNING', mgmt_role: 'NODE', cluster_role: 'WORKER' }
]

await t.test('the name of a file makes one for a feed, which the controller takes', async t => {
  t.same(['tor-exits.intel', 'tor 2026.11.29.dat', '../a b/.x', 'ä', '', `${'x'.repeat(80)}.intel`].map(nameOfFile), [
    'tor-exits',
    'tor-2026.11.29',
    'a-b',
    '',
    '',
    'x'.repeat(64)
  ])
})

await t.test('before a feed is changed it is said what that does, and to what', async t => {
  const said = (type: 'set_intel' | 'unset_intel', name: string, state: NodeState) =>
    effectsOfFeed({ type, name }, [feed], [manager(state)]).join(' ')
  t.match(said('set_intel', 'new', 'RUNNING'), /^The manager reads it at once.* nothing is changed\. It is kept/)
  t.match(said('set_intel', 'tor', 'RUNNING'), /^It has 1 indicator, 2\.0 KiB now\. What the new file has no more/)
  t.match(said('set_intel', 'new', 'CRASHED'), /^No manager runs: .* fails/)
  t.match(
    said('unset_intel', 'tor', 'RUNNING'),
    /^It has 1 indicator.* removes its indicators at once, without a restart/
  )
  t.match(said('unset_intel', 'tor', 'STOPPED'), /now\. No manager runs: .* does not read it\.$/)
})

await t.test('changes and their answers are told in words', async t => {
  t.equal(titleOfFeedChange({ type: 'set_intel', name: '' }), 'Set a feed')
  t.equal(titleOfFeedChange({ type: 'unset_intel', name: 'tor' }), 'Unset feed tor')
  t.same(['1', '2', undefined].map(toldOfFeed), ['1 indicator', '2 indicators', 'none of it'])
})
