import { lowerCase, type Entry } from '../ini/ini.js'
import { shown } from '../refusal.js'
import {
  formerOptions,
  zeekctlOptions,
  type Outcome,
  type Scope,
  type Settings,
  type ZeekctlOption
} from './zeekctl-options.js'

/** An option that a file has. */
export interface Given {
  /** By ZeekControl's spelling. */
  name: string
  text: string
  /** Whether its value makes no difference here. */
  isSame: boolean
  settings: Settings | undefined
  scope: Scope
  /** Returns what a node of that name gets. */
  options: (node: string) => Record<string, string>
  outcome: Pick<Outcome<unknown>, 'advice' | 'isBundled' | 'unless'>
}

/** The names of options by their lower case: ZeekControl does not tell letters' case apart. */
export const zeekctlNames: ReadonlyMap<string, string> = new Map(
  [...Object.keys(zeekctlOptions), ...Object.keys(formerOptions)].map(name => [lowerCase(name), name])
)

/** Reads an option; none where it is unknown, or its value is wrong, which goes to `complain`. */
export function readOption(
  { key, value: text = '' }: Entry,
  complain: (key: string, message: string) => void
): Given[] {
  const name = zeekctlNames.get(lowerCase(key))
  if (name === undefined) return []
  const given = Object.hasOwn(formerOptions, name)
    ? `is not supported any more by ZeekControl: it is ${formerOptions[name]} now`
    : applied(name, text, zeekctlOptions[name]!)
  if (typeof given !== 'string') return [given]
  complain(name, given)
  return []
}

/** Returns what an option becomes with a value, or what is wrong with that. */
function applied(name: string, text: string, option: ZeekctlOption): Given | string {
  switch (option.type) {
    case 'bool':
      return /^(0|1|true|false)$/i.test(text)
        ? outcomeOf(name, text, /^(1|true)$/i.test(text), option)
        : mustBe('0 or 1', text)
    case 'int':
      return /^\+?\d{1,15}$/.test(text) ? outcomeOf(name, text, Number(text), option) : mustBe('a whole number', text)
    case 'string':
      return /^(["'])(|[^]*\1)$/.test(text) ? 'must not be in quotes' : outcomeOf(name, text, text, option)
  }
}

function outcomeOf<T>(name: string, text: string, value: T, outcome: Outcome<T>): Given | string {
  const wrong = outcome.wrong?.(value)
  if (wrong !== undefined) return mustBe(wrong, text)
  const isSame = outcome.same?.includes(value) ?? false
  return {
    name,
    text,
    isSame,
    settings: outcome.settings?.(value),
    scope: outcome.scope ?? 'all',
    options: node => (isSame ? {} : (outcome.options?.(value, node) ?? {})),
    outcome
  }
}

const mustBe = (what: string, text: string) => `must be ${what}: '${shown(text)}'`
