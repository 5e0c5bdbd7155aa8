import t from 'tap'
import type { ClusterNode } from '../../../schemas/types.js'
import { Shares } from '../../../src/controller/cluster/shares.js'
import { mixtureOf } from '../../../src/controller/rollout/mixture.js'
import type { Deployment } from '../../../src/store/configurations.js'

const deploymentOf = (id: string, nodes: ClusterNode[]): Deployment => ({
  configuration: {
    id,
    bundle: id.repeat(32),
    instances: ['a', 'b', 'c'].map(name => ({ name, host: '127.0.0.1' })),
    nodes
  },
  layout: {
    backend: 'zeromq',
    nodes: nodes.map(({ name, role }) => ({ name, role, host: '127.0.0.1', port: id === 'ee' ? 1 : 2 }))
  }
})
const worker = (name: string, instance: string, colour: string): ClusterNode => ({
  name,
  instance,
  role: 'WORKER',
  env: { COLOUR: colour }
})
const ofColour = (id: string, colour: string, more: ClusterNode[] = []) =>
  deploymentOf(id, [
    ...['a', 'b', 'c'].flatMap(instance => [1, 2].map(n => worker(`${instance}-${n}`, instance, colour))),
    ...more
  ])
const none = new Set<string>()

await t.test('in the middle, an instance that has changed holds the rest, and another one has what it had', async t => {
  const before = ofColour('aa', 'red', [worker('b-3', 'b', 'red')])
  const after = ofColour('ee', 'blue')
  const shares = new Shares(mixtureOf(before, after, new Set(['a-1', 'b-3'])))
  const [a, b, c] = ['a', 'b', 'c'].map(instance => shares.of(instance, none))
  const old = new Shares(before)
  const next = new Shares(after)
  t.match(a, { config_id: 'ee', bundle: 'ee'.repeat(32), layout: next.digest, held: ['a-2'] })
  t.same(
    a!.nodes.map(({ name, env }) => [name, env?.COLOUR]),
    [
      ['a-1', 'blue'],
      ['a-2', 'red']
    ]
  )
  t.match(b, { config_id: 'ee', held: ['b-1', 'b-2'] }, 'one of its nodes has gone')
  t.same(c, old.of('c', none))
  t.equal(shares.layout(old.digest), before.layout, 'agents can ask for both layouts')
  t.equal(shares.layout(next.digest), after.layout)
  t.equal(shares.layout('x'), undefined)
  t.same(shares.bundles, ['ee'.repeat(32), 'aa'.repeat(32)])

  const step = shares.of('a', none, new Set(['a-1']))
  t.same(step.held, ['a-2'])
  t.equal(shares.of('c', none, new Set(['c-1'])).config_id, 'ee', 'an instance that is to change gets the new ones')
})

await t.test('what was before is kept only as long as an instance goes on with it', async t => {
  const first = ofColour('aa', 'red')
  const second = mixtureOf(first, ofColour('bb', 'blue'), new Set(['a-1', 'a-2']))
  const third = mixtureOf(second, ofColour('ee', 'green'), new Set(['a-1', 'a-2', 'b-1', 'b-2']))
  t.equal(new Shares(third).of('c', none).config_id, 'aa', 'through two mixtures')
  const others = mixtureOf(second, ofColour('ee', 'green'), new Set(['b-1', 'b-2', 'c-1', 'c-2']))
  t.equal(new Shares(others).of('a', none).config_id, 'bb')
  t.equal(others.before?.before, undefined)
  const all = mixtureOf(second, ofColour('ee', 'green'), new Set(first.configuration.nodes.map(({ name }) => name)))
  t.equal(all.before, undefined)
})
