import { formOf, type Form } from './configuration-form.js'
import { schemaFaults, type ConfigurationSchema } from './configuration-schema.js'
import { jsonSteps } from './configuration-reader.js'
import { configurationIn, itemsOf, textOf, type JsonPart, type Place } from './configuration-text.js'

/** What is wrong with a text, or odd. */
export interface Problem {
  level: 'error' | 'warning'
  message: string
  /** Undefined: it is about the whole. */
  place: Place | undefined
}

/** What a text holds, as far as that can be told without the controller. */
export interface Analysis {
  form: Form
  /** The configuration in it, of whatever form; of a text that is wrong what comes before. */
  part: JsonPart | undefined
  /** By their places; at most a hundred. */
  problems: readonly Problem[]
  /** Why it cannot be sent; undefined: it can. */
  obstacle: string | undefined
  instances: number
  nodes: number
}

/** More than anyone repairs at once. */
const problemsMax = 100
/** What the controller shows in place of a secret. */
export const mask = '********'

/** Returns what a text holds, and what is wrong with it. */
export function analyse(text: string, schema: ConfigurationSchema): Analysis {
  const steps = analysisSteps(text, schema)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** Does the same in steps of a millisecond or so: a page that does others between them stays fluid. */
export function* analysisSteps(text: string, schema: ConfigurationSchema): Generator<void, Analysis, void> {
  const form = formOf(text)
  const nothing = { form, part: undefined, problems: [], instances: 0, nodes: 0 }
  if (form === 'empty') return { ...nothing, obstacle: 'There is no configuration yet.' }
  if (form !== 'json') return { ...nothing, obstacle: 'The text is no JSON.' }
  const { root, fault } = yield* jsonSteps(text)
  const part = configurationIn(root)
  const whole = { form, part, instances: itemsOf(part, 'instances').length, nodes: itemsOf(part, 'nodes').length }
  if (fault) {
    const { message, ...place } = fault
    return { ...whole, problems: [{ level: 'error', message, place }], obstacle: 'The text is not yet JSON.' }
  }
  const problems: Problem[] = []
  let isMasked = false
  for (const found of problemSteps(part!, schema)) {
    problems.push(...found.problems)
    isMasked ||= found.isMasked
    yield
    if (problems.length >= problemsMax) break
  }
  const first = problems.slice(0, problemsMax).sort((a, b) => a.place!.from - b.place!.from)
  return {
    ...whole,
    problems: first,
    obstacle: isMasked ? 'It holds values that are masked: their true ones are needed.' : undefined
  }
}

const listsOf = ['instances', 'nodes'] as const
/** So many items are a step. */
const itemsOfStep = 50

/** Finds problems of the whole, then of some items at a time. */
function* problemSteps(
  part: JsonPart,
  schema: ConfigurationSchema
): Generator<{ problems: Problem[]; isMasked: boolean }, void, void> {
  // The masked ones first: whatever else is wrong, they must be told.
  for (const node of itemsOf(part, 'nodes')) {
    const problems = maskedIn(node)
    if (problems.length > 0) yield { problems, isMasked: true }
  }
  yield {
    problems: [...faults(part, withoutItems(schema), 'the configuration'), ...repeatedKeys(part, 1)],
    isMasked: false
  }
  for (const list of listsOf) {
    const ofItem = schema.properties?.[list]?.items ?? {}
    const items = itemsOf(part, list)
    for (let first = 0; first < items.length; first += itemsOfStep) {
      const problems = items
        .slice(first, first + itemsOfStep)
        .flatMap((item, index) => [...faults(item, ofItem, `${list}[${first + index}]`), ...repeatedKeys(item)])
      yield { problems, isMasked: false }
    }
  }
}

const faults = (part: JsonPart, schema: ConfigurationSchema, name: string): Problem[] =>
  schemaFaults(part, schema, name).map(({ message, from, to }) => ({ level: 'error', message, place: { from, to } }))

/** Returns the schema of a configuration, whatever is in its lists. */
function withoutItems({ properties = {}, ...rest }: ConfigurationSchema): ConfigurationSchema {
  const shallow = Object.entries(properties).map(([key, { items, ...of }]) => [key, of] as const)
  return { ...rest, properties: Object.fromEntries(shallow) }
}

/** What was masked to be shown, and has come back so: it would be deployed as it is. */
function maskedIn(node: JsonPart): Problem[] {
  if (node.kind !== 'object') return []
  return node.members.flatMap(({ key: field, part: values }) => {
    if ((field !== 'env' && field !== 'options') || values?.kind !== 'object') return []
    return values.members.flatMap(({ key, part: value }): Problem[] => {
      if (value?.kind !== 'plain' || value.value !== mask) return []
      const message = `node '${textOf(node, 'name') ?? ''}' ${field} ${key} is masked: its value is needed`
      return [{ level: 'error', message, place: { from: value.from, to: value.to } }]
    })
  })
}

function repeatedKeys(part: JsonPart, depth = Infinity): Problem[] {
  if (depth === 0) return []
  if (part.kind === 'list') return part.items.flatMap(item => repeatedKeys(item, depth - 1))
  if (part.kind !== 'object') return []
  const seen = new Set<string>()
  return part.members.flatMap(({ key, keyPlace, part: of }): Problem[] => {
    const isRepeated = seen.has(key)
    seen.add(key)
    const inner = of ? repeatedKeys(of, depth - 1) : []
    if (!isRepeated) return inner
    return [
      { level: 'warning', message: `${key} was given before: only the last one counts`, place: keyPlace },
      ...inner
    ]
  })
}

/**
 * Returns what the controller has said, and what was found here and is not the same: at one place the controller's
 * words count. Errors first, then by their places.
 */
export function joined(said: readonly Problem[], found: readonly Problem[]): Problem[] {
  const places = new Set(said.flatMap(({ place }) => (place ? [place.from] : [])))
  const texts = new Set(said.map(({ message }) => message))
  const others = found.filter(({ place, message }) => !texts.has(message) && !(place && places.has(place.from)))
  return [...said, ...others].sort(
    (a, b) =>
      Number(a.level === 'warning') - Number(b.level === 'warning') || (a.place?.from ?? -1) - (b.place?.from ?? -1)
  )
}
