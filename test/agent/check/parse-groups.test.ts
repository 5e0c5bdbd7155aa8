import t from 'tap'
import type { AssignedNode } from '../../../schemas/agent.js'
import { groupsOf, slowestFirst } from '../../../src/agent/check/parse-groups.js'
import type { Script } from '../../../src/zeek/scripts.js'

const script: Script = { digest: 'd', loads: [], asksForName: false }
function parsed(name: string, role: AssignedNode['role'], files: string[] = []) {
  return {
    node: { name, instance: 'a', role, scripts: files },
    env: {},
    scripts: new Map(files.map(file => [file, script]))
  }
}
const names = (groups: ReturnType<typeof groupsOf>) =>
  groups.map(({ members }) => members.map(({ node }) => node.name).join(' '))

await t.test('five nodes of four kinds are four groups', async t => {
  const nodes = [
    parsed('manager', 'MANAGER'),
    parsed('logger', 'LOGGER'),
    parsed('proxy', 'PROXY'),
    parsed('w1', 'WORKER'),
    parsed('w2', 'WORKER')
  ]
  t.same(names(groupsOf(nodes)), ['manager', 'logger', 'proxy', 'w1 w2'])
})

await t.test('before anything is known, those with most scripts come first, then managers and workers', async t => {
  const groups = groupsOf([
    parsed('logger', 'LOGGER'),
    parsed('w1', 'WORKER', ['a']),
    parsed('manager', 'MANAGER'),
    parsed('w2', 'WORKER', ['a', 'b'])
  ])
  t.same(names(slowestFirst(groups, new Map())), ['w2', 'w1', 'manager', 'logger'])
})

await t.test('what is not known may be the slowest, and comes first', async t => {
  const groups = groupsOf([parsed('logger', 'LOGGER'), parsed('w1', 'WORKER'), parsed('manager', 'MANAGER')])
  t.same(
    names(
      slowestFirst(
        groups,
        new Map([
          [groups[0]!.kind, 2000],
          [groups[1]!.kind, 1000]
        ])
      )
    ),
    ['manager', 'logger', 'w1']
  )
})
