import type { OptionOutcome } from '../../../schemas/agent.js'
import type { RuntimeOption } from '../../../schemas/runtime-options.js'
import { messageOf } from '../../errors.js'
import { hidden, hiddenValue } from './hidden.js'
import type { ManagedNode } from './managed-node.js'

/** How Zeek's reader (Config.cc) begins the line about an option that there is not. */
const unknownOption = (name: string) => `Option '${name}' does not exist`

/** Has a node set these options, and no others. Resolves with what has become of one of them, set or set no more. */
export async function setOptions(
  node: ManagedNode,
  options: readonly RuntimeOption[],
  changed: string,
  signal: AbortSignal
): Promise<OptionOutcome> {
  const name = node.node.name
  const isRunning = node.status.state === 'RUNNING'
  const setting = node.setOptions(options, signal)
  if (!isRunning) {
    setting.catch(() => {})
    return { node: name, outcome: 'later' }
  }
  try {
    const complaints = await setting
    if (complaints.some(line => line.startsWith(unknownOption(changed)))) return { node: name, outcome: 'unknown' }
    // What it lacks of the others is no news.
    const serious = complaints.filter(line => !line.startsWith("Option '") || line.startsWith(`Option '${changed}'`))
    if (serious.length > 0) return { node: name, outcome: 'refused', error: hidden(node, serious.join(' ')) }
    return { node: name, outcome: 'set', value: hiddenValue(node, changed, await node.idValue(changed, signal)) }
  } catch (error) {
    return { node: name, outcome: 'unanswered', error: hidden(node, messageOf(error)) }
  }
}
