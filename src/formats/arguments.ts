import { ClusterNode, NodeOptions } from '../../schemas/types.js'
import { splitWords } from './ini/words.js'
import { firstOf } from './notes.js'
import { shown } from './refusal.js'

/** The words of Zeek's command line, as they apply to a node here. */
export interface ZeekArguments {
  scripts: string[]
  options: Record<string, string>
  /** What a node cannot have: a flag with its operand, `+=`. */
  rest: string[]
}

const script = new RegExp(ClusterNode.properties.scripts.items.pattern!)
const optionName = new RegExp(NodeOptions.propertyNames.pattern)
/** Zeek's flags that take an operand, the next word. */
const withOperand =
  /^(-[BcEefGHIinO0opRrsTtUwX]|--(capture-unprocessed|exec|filter|iface|zeekygen|prefix|readfile|rulefile|tracefile|writefile|event-trace|load-seeds|save-seeds|optimize|optimize-funcs|optimize-files|re-level|print-id|no-optimize-funcs|no-optimize-files|status-file|debug))$/

/** Sorts the words of a text. Throws `invalid_request` when a quote in it is not closed. */
export function sortArguments(text: string): ZeekArguments {
  const words = splitWords(text)
  const scripts: string[] = []
  const options: [string, string][] = []
  const rest: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    const equals = word.indexOf('=')
    if (equals > 0 && optionName.test(word.slice(0, equals))) {
      options.push([word.slice(0, equals), word.slice(equals + 1)])
    } else if (word === '-C') options.push(['ignore_checksums', 'T'])
    else if (script.test(word)) scripts.push(word)
    else rest.push(withOperand.test(word) && at + 1 < words.length ? `${word} ${words[++at]}` : word)
  }
  return { scripts, options: Object.fromEntries(options), rest }
}

/** Returns what is said of what a node cannot have. */
export const adviceOnRest = (rest: readonly string[]): string[] =>
  firstOf(
    rest,
    word => `${shown(word)} is neither a script nor an option; put what it does into a script`,
    'words are neither'
  )
