import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { ClusterConfiguration } from '../../schemas/types.js'
import { configurationDifference } from '../../src/controller/configuration-difference.js'
import { secretNames } from '../../src/security/secret-names.js'
import { runs } from '../support/runs.js'

type Parts = Pick<ClusterConfiguration, 'instances' | 'nodes' | 'groups'>
const parts = ['instances', 'nodes', 'groups'] as const

const name = fc.constantFrom('a', 'b', 'c', 'd', '__proto__')
const values = fc.dictionary(fc.constantFrom('X', 'API_TOKEN', 'A::b', '__proto__'), fc.constantFrom('1', '2'))
const optional = { requiredKeys: ['name'] as ['name'] }
const listOf = <T extends { name: string }>(item: fc.Arbitrary<T>) =>
  fc.uniqueArray(item, { selector: ({ name }) => name, maxLength: 5 })
const anyConfiguration = fc.record({
  instances: listOf(fc.record({ name, host: fc.constantFrom('10.0.0.1', '::1'), labels: values }, optional)),
  nodes: listOf(
    fc.record(
      {
        name,
        interface: fc.constantFrom('eth0', 'eth1'),
        cpu_affinity: fc.nat(2),
        scripts: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
        env: values,
        options: values
      },
      optional
    )
  ),
  groups: fc.option(listOf(fc.record({ name, workers: fc.constantFrom(1, 'auto'), env: values }, optional)), {
    nil: undefined
  })
}) as unknown as fc.Arbitrary<Parts>

/** The fields of a part as JSON texts, those of maps one by one. */
const flat = (part: object): [string, string][] =>
  Object.entries(part).flatMap(([name, value]): [string, string][] =>
    ['env', 'labels', 'options'].includes(name)
      ? Object.entries(value).map(([member, value]) => [`${name}.${member}`, JSON.stringify(value)])
      : [[name, JSON.stringify(value)]]
  )

await t.test('nothing differs from itself, whatever the order', async () => {
  fc.assert(
    fc.property(anyConfiguration, configuration => {
      const { instances, nodes, groups } = structuredClone(configuration)
      const turned = {
        instances: instances.reverse(),
        nodes: nodes.reverse(),
        ...(groups && { groups: groups.reverse() })
      }
      for (const difference of Object.values(configurationDifference(configuration, turned as Parts))) {
        if (Object.values(difference).some(({ length }) => length > 0)) return false
      }
      return true
    }),
    { numRuns: runs(200) }
  )
})

await t.test('what is added one way is removed the other way, and a change has its sides changed', async () => {
  fc.assert(
    fc.property(anyConfiguration, anyConfiguration, (a, b) => {
      const [there, back] = [configurationDifference(a, b), configurationDifference(b, a)]
      for (const part of parts) {
        deepStrictEqual(there[part].added, back[part].removed)
        deepStrictEqual(there[part].removed, back[part].added)
        const turned = back[part].changed.map(({ name, fields }) => ({
          name,
          fields: fields.map(({ field, before, after }) => ({
            field,
            ...(after === undefined ? {} : { before: after }),
            ...(before === undefined ? {} : { after: before })
          }))
        }))
        deepStrictEqual(there[part].changed, turned)
      }
    }),
    { numRuns: runs(100) }
  )
})

await t.test('it tells everything: an earlier one and the difference make the later one', async () => {
  fc.assert(
    fc.property(anyConfiguration, anyConfiguration, (a, b) => {
      const difference = configurationDifference(a, b, () => false)
      for (const part of parts) {
        const [before, after] = [a, b].map(one => new Map((one[part] ?? []).map(item => [item.name, item])))
        const { added, removed, changed } = difference[part]
        deepStrictEqual(
          added.concat([...before!.keys()].filter(name => !removed.includes(name))).sort(),
          [...after!.keys()].sort()
        )
        for (const name of after!.keys()) {
          if (!before!.has(name)) continue
          const fields = new Map(flat(before!.get(name)!))
          for (const { field, after: value } of changed.find(one => one.name === name)?.fields ?? []) {
            if (value === undefined) fields.delete(field)
            else fields.set(field, value)
          }
          deepStrictEqual([...fields].sort(), flat(after!.get(name)!).sort())
        }
      }
    }),
    { numRuns: runs(100) }
  )
})

const node = (more: object) => ({ name: 'worker-1', instance: 'a', role: 'WORKER' as const, ...more })
const of = (node: object, group: object = {}): Parts =>
  ({
    instances: [{ name: 'a' }],
    nodes: [node],
    groups: [{ name: 'g', interface: 'eth0', workers: 1, ...group }]
  }) as Parts

await t.test('fields are told by name, members of maps one by one', async t => {
  const difference = configurationDifference(
    of(node({ interface: 'eth0', scripts: ['x', 'y'], options: { 'A::b': '1', 'A::c': '1' } })),
    of(node({ interface: 'eth1', scripts: ['y', 'x'], options: { 'A::b': '1', 'A::c': '2' }, nice: 5 }), {
      workers: 'auto'
    })
  )
  t.strictSame(difference, {
    instances: { added: [], removed: [], changed: [] },
    nodes: {
      added: [],
      removed: [],
      changed: [
        {
          name: 'worker-1',
          fields: [
            { field: 'interface', before: '"eth0"', after: '"eth1"' },
            { field: 'nice', after: '5' },
            { field: 'options.A::c', before: '"1"', after: '"2"' },
            { field: 'scripts', before: '["x","y"]', after: '["y","x"]' }
          ]
        }
      ]
    },
    groups: {
      added: [],
      removed: [],
      changed: [{ name: 'g', fields: [{ field: 'workers', before: '1', after: '"auto"' }] }]
    }
  })
})

await t.test('a secret that differs is told, and masked, of nodes and groups', async t => {
  const difference = configurationDifference(
    of(node({ env: { API_TOKEN: 'swordfish', MSG: 'a', OWN: 'herring' } }), {
      options: { 'A::password': 'swordfish' }
    }),
    of(node({ env: { API_TOKEN: 'marlin', MSG: 'b' } }), { options: { 'A::password': 'marlin' } }),
    secretNames('OWN')
  )
  const masked = '"********"'
  t.strictSame(difference.nodes.changed, [
    {
      name: 'worker-1',
      fields: [
        { field: 'env.API_TOKEN', before: masked, after: masked },
        { field: 'env.MSG', before: '"a"', after: '"b"' },
        { field: 'env.OWN', before: masked }
      ]
    }
  ])
  t.strictSame(difference.groups.changed, [
    { name: 'g', fields: [{ field: 'options.A::password', before: masked, after: masked }] }
  ])
})

await t.test('captures are told by their files, what is expected log by log', async t => {
  const none = of(node({}))
  const http = { file: 'checks/http.pcap', expected: { conn: 34, http: 12 } }
  const some = { ...none, captures: [http, { file: 'checks/dns.pcap' }] }
  const other = { ...none, captures: [{ ...http, expected: { conn: 34, http: 11, dns: 1 } }] }
  t.notOk('captures' in configurationDifference(none, none))
  t.match(configurationDifference(none, some), { captures: { added: ['checks/dns.pcap', http.file], removed: [] } })
  t.strictSame(configurationDifference(some, other).captures, {
    added: [],
    removed: ['checks/dns.pcap'],
    changed: [
      {
        name: http.file,
        fields: [
          { field: 'expected.dns', after: '1' },
          { field: 'expected.http', before: '12', after: '11' }
        ]
      }
    ]
  })
})
