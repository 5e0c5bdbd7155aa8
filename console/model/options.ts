import { counted, plain } from './format.js'
import type { Node, Schema } from './types.js'

export type SetOption = Schema['SetOption']

/** A change of an option, as it is asked for. */
export type OptionChange = { type: 'set_option'; name: string; value: string } | { type: 'unset_option'; name: string }

/** Returns what a node has answered to a change: the value that it has now, a JSON text, or that it has none. */
export const toldOfOption = (value: string | undefined): string => value ?? 'not running, or it has no such option'

const shortMax = 120

/** Returns the beginning of a value; all of it where it is short. */
export const shortValue = (value: string): string =>
  plain(value.length <= shortMax ? value : `${value.slice(0, shortMax)}…`)

/** Returns what a change is called, as `Set Site::local_nets`. */
export const titleOfChange = ({ type, name }: OptionChange): string =>
  `${type === 'set_option' ? 'Set' : 'Unset'} ${name === '' ? 'an option' : plain(name)}`

/** Returns what a change would do, line by line. `options`: those that are set; `nodes`: all that there are. */
export function effectsOf(
  { type, name }: OptionChange,
  options: readonly SetOption[],
  nodes: Iterable<readonly Node[]>
): string[] {
  const before = options.find(option => option.name === name)
  const all = [...nodes].flat().filter(({ mgmt_role: role }) => role === 'NODE')
  const run = `${all.filter(({ state }) => state === 'RUNNING').length} of ${counted(all.length, 'node')} run`
  const now = before === undefined ? [] : [`It is ${shortValue(before.value) || 'empty'} now.`]
  if (type === 'unset_option') {
    return [...now, `In each node it is what its scripts make it, at once and without a restart. ${run}.`]
  }
  return [
    ...now,
    `All nodes that run try it at once, without a restart; when one refuses it, nothing is changed. ${run}.`,
    'It is kept until it is unset, whatever is deployed or restarted.'
  ]
}
