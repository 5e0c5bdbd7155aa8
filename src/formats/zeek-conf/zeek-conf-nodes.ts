import type { ClusterNode, ClusterRole } from '../../../schemas/types.js'
import { Growth, maxNodes } from '../converted.js'
import { nodeFaults } from '../schema-faults.js'
import type { Arguments, SectionReader, Templates } from './zeek-conf-section.js'

/** A node before its instance is known. */
export type Draft = Omit<ClusterNode, 'instance'>

const roles: { role: ClusterRole; word: string; count: string; max: number }[] = [
  { role: 'MANAGER', word: 'manager', count: 'manager', max: 1 },
  { role: 'LOGGER', word: 'logger', count: 'loggers', max: maxNodes },
  { role: 'PROXY', word: 'proxy', count: 'proxies', max: maxNodes }
]

const range = (count: number) => Array.from({ length: Math.min(count || 0, maxNodes) }, (_, index) => index + 1)

/**
 * Returns the part of a node that its arguments and environment define: first its own arguments, then those of all
 * nodes.
 */
type Furnish = (
  reader: SectionReader,
  word: string,
  own: { arguments: Arguments; env: Templates },
  variables: Record<string, string>
) => Pick<ClusterNode, 'scripts' | 'options' | 'env'>

function furnisher(zeek: SectionReader): Furnish {
  const given = zeek.arguments('args')
  const all =
    given.scripts.length === 0 && Object.keys(given.options).length === 0 ? { scripts: ['local'], options: {} } : given
  const env = zeek.templates('env')
  return (reader, word, own, variables) => {
    const scripts = [...own.arguments.scripts, ...all.scripts]
    const options = { ...own.arguments.options, ...all.options }
    const filled = Object.fromEntries([
      ...env.map(([name, template]) => [name, zeek.fill('env', template, variables)]),
      ...own.env.map(([name, template]) => [name, reader.fill(`${word}_env`, template, variables)])
    ])
    return {
      ...(scripts.length > 0 && { scripts }),
      ...(Object.keys(options).length > 0 && { options }),
      ...(Object.keys(filled).length > 0 && { env: filled })
    }
  }
}

/** Checks a node against its schema, and reports each error at the key that caused it. */
function examine(draft: Draft, word: string, reader: SectionReader, zeek: SectionReader): void {
  const keyOf: Record<string, string> = {
    name: 'cluster_node_prefix',
    cpu_affinity: word === 'worker' ? 'workers_cpu_list' : `${word}_cpu_set`
  }
  for (const { property, name, message } of nodeFaults(draft)) {
    if (name === undefined) reader.refuse(keyOf[property] ?? property, message)
    else {
      const common = property === 'env' ? 'env' : 'args'
      const own = `${word}_${common}`
      if (reader.mentions(own, name)) reader.refuse(own, message)
      else zeek.refuse(common, message)
    }
  }
}

type Take = (draft: Draft, word: string, reader: SectionReader) => Draft

/** The processes that the generator would run. */
export interface Drafts {
  others: Draft[]
  /** The workers of each interface section. */
  workers: Draft[][]
}

/** Returns the processes that the generator would run. */
export function draftsOf(zeek: SectionReader, interfaces: readonly SectionReader[], prefix: string): Drafts {
  const furnish = furnisher(zeek)
  const growth = new Growth()
  /** Takes each node as soon as it is made: too many of them are not made. */
  const take: Take = (draft, word, reader) => {
    const { name: _name, role: _role, ...content } = draft
    growth.add(reader.section.name || 'zeek.conf', content)
    examine(draft, word, reader, zeek)
    return draft
  }
  const others = roles.flatMap(({ role, word, count, max }): Draft[] => {
    const own = { arguments: zeek.arguments(`${word}_args`), env: zeek.templates(`${word}_env`) }
    const cpus = zeek.cpus(`${word}_cpu_set`)
    if (cpus.length > 1) {
      zeek.tell(`${word}_cpu_set`, 'a node is pinned to one CPU (cpu_affinity) or to none; these are not pinned')
    }
    return range(zeek.count(count, max)).map(index =>
      take(
        {
          // There is one manager in the whole cluster.
          name: role === 'MANAGER' ? word : `${prefix}${word}-${index}`,
          role,
          ...(cpus.length === 1 && { cpu_affinity: cpus[0]! }),
          ...furnish(zeek, word, own, {})
        },
        word,
        zeek
      )
    )
  })
  let before = 0
  const workers = interfaces.map(reader => {
    const group = workersOf(reader, { prefix, before, furnish, take })
    before += group.length
    return group
  })
  return { others, workers }
}

/** Returns the NAME of a section `interface NAME`. */
export const interfaceName = (section: string) => /^interface ([-_a-z0-9]{1,64})$/.exec(section)?.[1]

interface WorkerContext {
  prefix: string
  /** How many workers the host has already. */
  before: number
  furnish: Furnish
  take: Take
}

/** Returns the workers of a section. */
function workersOf(reader: SectionReader, { prefix, before, furnish, take }: WorkerContext): Draft[] {
  const name = interfaceName(reader.section.name)
  const count = reader.count('workers', maxNodes - before)
  const template = reader.text('interface')
  const own = { arguments: reader.arguments('worker_args'), env: reader.templates('worker_env') }
  const cpus = reader.cpus('workers_cpu_list')
  if (template === '' && (name !== undefined || count > 0)) reader.complain('interface', 'is missing or empty')
  if (template !== '' && !reader.has('workers')) reader.complain('workers', 'is missing: there is an interface')
  return range(count).map(index => {
    const cpu = cpus[(index - 1) % cpus.length]
    const variables = {
      worker_index: String(index),
      worker_index0: String(index - 1),
      host_worker_index: String(before + index),
      host_worker_index0: String(before + index - 1),
      ...(cpu !== undefined && { worker_cpu: String(cpu) }),
      ...(name !== undefined && { interface_section_name: name })
    }
    const draft: Draft = {
      name: `${prefix}worker-${name === undefined ? '' : `${name}-`}${index}`,
      role: 'WORKER',
      interface: reader.fill('interface', template, variables),
      ...(cpu !== undefined && { cpu_affinity: cpu }),
      ...furnish(reader, 'worker', own, variables)
    }
    return take(draft, 'worker', reader)
  })
}
