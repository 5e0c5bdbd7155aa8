import { itemsOf, memberOf, textOf, type JsonPart, type Place } from './configuration-text.js'

/** Says what a list of errors of a request is about: its body holds the configuration as `config`. */
const bodyOf = /^body\/config(?=\/|$)/

/**
 * Returns where in a configuration a field of a refused request is, as `body/config/nodes/0/role`: the value, or the
 * key where that is wrong. Of what is missing it is the beginning of what should have it.
 */
export function placeOfField(configuration: JsonPart, field: string, message = ''): Place | undefined {
  if (!bodyOf.test(field)) return undefined
  let part = configuration
  let rest = field.replace(bodyOf, '')
  while (rest !== '') {
    const step = nextStep(part, rest)
    if (!step) return beginningOf(part)
    const { keyPlace, of, left } = step
    if (left === '' && keyPlace && /is not known|not a valid name/.test(message)) return keyPlace
    if (!of) return keyPlace
    part = of
    rest = left
  }
  return beginningOf(part)
}

interface Step {
  keyPlace?: Place
  of: JsonPart | undefined
  left: string
}

/** Goes one step. Names of members may hold slashes: the longest that fits is meant. */
function nextStep(part: JsonPart, rest: string): Step | undefined {
  if (part.kind === 'list') {
    const [step = '', index = ''] = /^\/(\d+)(?=\/|$)/.exec(rest) ?? []
    const of = index === '' ? undefined : part.items[Number(index)]
    return of && { of, left: rest.slice(step.length) }
  }
  if (part.kind !== 'object') return undefined
  const fitting = part.members
    .flatMap(({ key, keyPlace, part: of }) => {
      const step = [`/${key}`, `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`].find(
        one => rest === one || rest.startsWith(`${one}/`)
      )
      return step === undefined ? [] : [{ keyPlace, of, left: rest.slice(step.length) }]
    })
    .sort((a, b) => a.left.length - b.left.length)
  // Of a key that is given twice the last one counts.
  return fitting.findLast(({ left }) => left === fitting[0]!.left)
}

const beginningOf = ({ kind, from, to }: JsonPart): Place => ({ from, to: kind === 'plain' ? to : from + 1 })

/** Where the objects of a configuration are, by their names. */
export interface Names {
  nodes: ReadonlyMap<string, readonly JsonPart[]>
  instances: ReadonlyMap<string, readonly JsonPart[]>
  /** Nodes by the instance that they name. */
  on: ReadonlyMap<string, readonly JsonPart[]>
}

export function namesIn(configuration: JsonPart | undefined): Names {
  const by = (list: string, key: string) => groupsOf(itemsOf(configuration, list), key)
  return { nodes: by('nodes', 'name'), instances: by('instances', 'name'), on: by('nodes', 'instance') }
}

function groupsOf(items: readonly JsonPart[], key: string): Map<string, JsonPart[]> {
  const groups = new Map<string, JsonPart[]>()
  for (const item of items) {
    const name = textOf(item, key) ?? ''
    const group = groups.get(name)
    if (group) group.push(item)
    else groups.set(name, [item])
  }
  return groups
}

/** What a sentence is about, as a member of what it names: the first that it has is shown. */
const aspects: readonly [RegExp, (found: RegExpExecArray) => readonly string[]][] = [
  [/ (env|options) (\S+) is masked/, ([, field, key]) => [field!, key!]],
  [/undeclared instance|is not declared/, () => ['instance']],
  [/ metrics port /, () => ['metrics_port']],
  [/ port /, () => ['port']],
  [/fanout_id/, () => ['options', 'AF_Packet::fanout_id']],
  [/pinned to one CPU/, () => ['cpu_affinity']],
  [/interface|packet/, () => ['interface']],
  [/listen_port|dialled/, () => ['listen_port']]
]

/**
 * Returns where in a configuration it is what a sentence of the controller is about, which quotes names: undefined
 * where it names nothing of it, or something of which there are several.
 */
export function placeOfSentence(sentence: string, names: Names): Place | undefined {
  const part = subjectOf(sentence, names)
  return part && aspectOf(sentence, part)
}

function subjectOf(sentence: string, { nodes, instances, on }: Names): JsonPart | undefined {
  const repeated = /multiple (nodes|instances) named '([^']+)'/.exec(sentence)
  if (repeated) return (repeated[1] === 'nodes' ? nodes : instances).get(repeated[2]!)?.at(-1)
  const clashing = /multiple nodes on instance '([^']+)' using (metrics )?port (\d+)/.exec(sentence)
  if (clashing) {
    const [, instance, metrics, port] = clashing
    return on.get(instance!)?.findLast(node => hasPort(node, metrics === undefined ? 'port' : 'metrics_port', port!))
  }
  const undeclared = /node '([^']+)' has undeclared instance name '([^']+)'/.exec(sentence)
  if (undeclared) {
    return only((nodes.get(undeclared[1]!) ?? []).filter(node => textOf(node, 'instance') === undeclared[2]))
  }
  // These names come without quotes.
  const plainly = /(?:names collide: |but nodes )([^,\s]+)/.exec(sentence)
  if (plainly) return only(nodes.get(plainly[1]!))
  const [, kind = '', name] = /(?:\b(nodes?|worker|instances?) )?'([^']+)'/.exec(sentence) ?? []
  if (name === undefined) return undefined
  if (kind.startsWith('instance')) return only(instances.get(name)) ?? on.get(name)?.[0]
  if (kind !== '') return only(nodes.get(name))
  return only([...(nodes.get(name) ?? []), ...(instances.get(name) ?? [])])
}

const only = (parts: readonly JsonPart[] = []): JsonPart | undefined => (parts.length === 1 ? parts[0] : undefined)

function hasPort(node: JsonPart, key: string, port: string): boolean {
  const of = memberOf(node, key)?.part
  return of?.kind === 'plain' && String(of.value) === port
}

function aspectOf(sentence: string, part: JsonPart): Place {
  for (const [pattern, pathOf] of aspects) {
    const found = pattern.exec(sentence)
    if (!found) continue
    const place = pathOf(found).reduce<JsonPart | undefined>((at, key) => memberOf(at, key)?.part, part)
    if (place) return beginningOf(place)
  }
  const name = memberOf(part, 'name')?.part
  return beginningOf(name ?? part)
}

/** Returns the line of a file of another tool that an error of its conversion names; undefined where it names none. */
export function lineOfFileError({ field, message }: { field: string; message: string }): number | undefined {
  const line = /\(line (\d+)\)$/.exec(message)?.[1] ?? /^line (\d+)$/.exec(field)?.[1]
  return line === undefined ? undefined : Number(line)
}
