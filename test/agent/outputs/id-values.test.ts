import t from 'tap'
import type { Outcome } from '../../../schemas/types.js'
import { getIdValue } from '../../../src/agent/outputs/id-values.js'
import type { ManagedNode } from '../../../src/agent/nodes/managed-node.js'
import type { NodeTable } from '../../../src/agent/nodes/node-table.js'

/** A table whose nodes have these values. */
function tableOf(values: Record<string, string>): NodeTable {
  const each = async (names: readonly string[], job: (node: ManagedNode) => Promise<object>): Promise<Outcome[]> =>
    await Promise.all(
      names.map(async node =>
        job({
          node: {},
          program: {},
          runtimeOptions: [],
          idValue: async () => values[node]
        } as unknown as ManagedNode).then(
          (data): Outcome => ({ success: true, node, data }),
          (error): Outcome => ({ success: false, node, error: error.message })
        )
      )
    )
  return { each } as unknown as NodeTable
}

await t.test('a value that is too large for what is left fails, and the others are told', async t => {
  const table = tableOf({ a: 'x'.repeat(60), b: 'ä'.repeat(30), c: 'y'.repeat(40) })
  const { signal } = new AbortController()
  t.match(await getIdValue(table, { id: 'x', nodes: ['a', 'b', 'c'], max_bytes: 100 }, signal), [
    { success: true, data: { value: 'x'.repeat(60) } },
    { success: false, error: 'the value has 60 bytes, 40 are left: ask fewer nodes at a time' },
    { success: true, data: { value: 'y'.repeat(40) } }
  ])
  t.match(await getIdValue(table, { id: 'x', nodes: ['b'] }, signal), [{ success: true }])
})
