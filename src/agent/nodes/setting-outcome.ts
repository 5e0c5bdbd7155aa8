import type { SettingOutcome } from '../../../schemas/agent.js'
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
): Promise<SettingOutcome> {
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

/** The option of our script that names the files of feeds, and its global with how many indicators each has. */
const feedsOption = 'ZeekClusterController::feeds'
const feedSizes = 'ZeekClusterController::feed_sizes'

/** Returns the option by which a manager reads these files; none where there is nothing to be read. */
export const readsFeeds = (paths: readonly string[]): RuntimeOption[] =>
  paths.length === 0 ? [] : [{ name: feedsOption, value: paths.join('\t') }]

/**
 * Has a manager set these options, among them the feeds that it reads. Resolves with what has become of one of them,
 * which is in this file; undefined where it is to be forgotten.
 */
export async function setFeeds(
  node: ManagedNode,
  options: readonly RuntimeOption[],
  { name, path }: { name: string; path: string | undefined },
  signal: AbortSignal
): Promise<SettingOutcome> {
  const result = await setOptions(node, options, feedsOption, signal)
  const { outcome, error } = result
  // Zeek names the file by its path, which tells nobody anything.
  if (error !== undefined && path !== undefined) return { ...result, error: error.replaceAll(path, name) }
  if (outcome !== 'set') return result
  const set: SettingOutcome = { node: node.node.name, outcome: 'set' }
  if (path === undefined) return set
  try {
    const sizes = JSON.parse(await node.idValue(feedSizes, signal)) as Record<string, number>
    return { ...set, value: String(sizes[path]) }
  } catch (error) {
    return { ...set, outcome: 'unanswered', error: hidden(node, messageOf(error)) }
  }
}
