import type { agentMethods } from '../../../schemas/agent.js'
import type { Outcome } from '../../../schemas/types.js'
import { AppError } from '../../errors.js'
import type { ParamsOf } from '../../protocol/methods.js'
import { hiddenValue } from '../nodes/hidden.js'
import type { NodeTable } from '../nodes/node-table.js'

/** Most bytes of all values in one answer, where the controller does not say. */
const valuesBytes = 8_388_608

/**
 * Returns the value of a global identifier on each node, one outcome per node. What is too large to be told fails: a
 * part of a JSON text is none.
 */
export async function getIdValue(
  table: NodeTable,
  { id, nodes, max_bytes: maxBytes = valuesBytes }: ParamsOf<typeof agentMethods.get_id_value>,
  signal: AbortSignal
): Promise<Outcome[]> {
  let left = Math.min(maxBytes, valuesBytes)
  return await table.each(nodes, async node => {
    const value = hiddenValue(node, id, await node.idValue(id, signal))
    const bytes = Buffer.byteLength(value)
    if (bytes > left) {
      throw new AppError(
        'payload_too_large',
        `the value has ${bytes} bytes, ${left} are left: ask fewer nodes at a time`
      )
    }
    left -= bytes
    return { value }
  })
}
