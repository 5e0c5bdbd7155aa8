import { clusterRoles, type ClusterRole, type ClusterNode } from '../../../schemas/types.js'
import { AppError, messageOf } from '../../errors.js'
import type { Entry, Section } from '../ini/ini.js'
import type { Values } from '../ini/interpolation.js'
import { shown, type Fault } from '../refusal.js'
import { nodeFaults } from '../schema-faults.js'
import { splitWords } from '../ini/words.js'

/** A node as its section describes it: it need not name an instance. */
export type NodeSection = Omit<ClusterNode, 'instance'> & { instance: string | undefined }

/** Names of nodes that would mean something else as a section. zeek-client has no way to express them. */
const reserved = ['instances', 'DEFAULT']
const prefix = 'node '

export const sectionOfNode = (name: string) => (reserved.includes(name) ? prefix + name : name)
const nodeOfSection = (name: string) =>
  name.startsWith(prefix) && reserved.includes(name.slice(prefix.length)) ? name.slice(prefix.length) : name

export const isPort = (value: number) => value >= 1 && value <= 65535

/**
 * Returns the role for a text in any case, also with Zeek's and Python's scope: `worker`, `Supervisor::WORKER`,
 * `ClusterRole.WORKER`.
 */
function lookUp(text: string): ClusterRole | undefined {
  const name = text.split(/::|\./).at(-1)!.toUpperCase()
  return clusterRoles.find(role => role === name)
}

/** The keys of a node's section. */
export const nodeKeys = [
  'instance',
  'role',
  'type',
  'port',
  'metrics_port',
  'interface',
  'cpu_affinity',
  'memory_max',
  'nice',
  'scripts',
  'options',
  'env',
  'load_local',
  'state'
] as const

/**
 * Reads a node's section of cluster.cfg. Errors have zeek-client's texts, where it has one; with errors the node must
 * not be used.
 */
export function readNode(section: Section, values: Values, errors: Fault[]): NodeSection {
  const complain = (key: string, message: string) => {
    errors.push(values.fault(section, key, message))
  }

  function get(key: string, { empty = true } = {}): (Entry & { value: string }) | undefined {
    const entry = values.get(section, key)
    if (!entry) return undefined
    if (entry.value === undefined || (entry.value === '' && !empty)) {
      complain(entry.key, `config item ${section.name}.${entry.key} needs a value`)
    }
    return entry.value === undefined ? undefined : { ...entry, value: entry.value }
  }

  function integer(key: string, isInRange: (value: number) => boolean = () => true): number | undefined {
    const entry = get(key)
    if (!entry) return undefined
    if (!/^[+-]?\d+$/.test(entry.value)) {
      complain(entry.key, `cannot convert "${section.name}.${entry.key}" value "${shown(entry.value)}" to int`)
    } else if (!isInRange(Number(entry.value))) {
      complain(entry.key, `${key.replace('_', ' ')} ${shown(entry.value)} outside valid range`)
    }
    return Number(entry.value)
  }

  function boolean(key: string): boolean | undefined {
    const entry = get(key)
    if (!entry) return undefined
    if (!['true', 'false'].includes(entry.value)) {
      complain(entry.key, `${key} ${shown(entry.value)} is not true or false`)
    }
    return entry.value === 'true'
  }

  /** Returns the words of a value, each as `parse` returns it; undefined when there are none. */
  function words<T>(key: string, parse: (word: string) => T): T[] | undefined {
    const entry = get(key)
    if (!entry || entry.value === '') return undefined
    try {
      return splitWords(entry.value).map(parse)
    } catch (error) {
      complain(entry.key, `${key} value "${shown(entry.value)}" is invalid: ${messageOf(error)}`)
    }
  }

  function pairs(key: string): Record<string, string> | undefined {
    const entries = words(key, word => {
      const equals = word.indexOf('=')
      if (equals < 0) throw new AppError('invalid_request', `${shown(word)} is no NAME=VALUE`)
      return [word.slice(0, equals), word.slice(equals + 1)] as const
    })
    return entries && Object.fromEntries(entries)
  }

  function role(): ClusterRole {
    const [entry, alias] = [get('role'), get('type')]
    const named = entry ?? alias
    const found = lookUp(named?.value ?? '')
    if (!named || named.value === '') complain(named?.key ?? 'role', 'node requires a role')
    else if (!found) complain(named.key, `role "${shown(named.value)}" is invalid`)
    else if (alias && lookUp(alias.value) !== found) {
      complain(alias.key, `is another name for role, which is "${shown(named.value)}"`)
    }
    return found ?? 'WORKER'
  }

  // Files contain this key, and it has no effect, as in zeek-client.
  get('state')
  const optional = {
    port: integer('port', isPort),
    metrics_port: integer('metrics_port', isPort),
    interface: get('interface', { empty: false })?.value,
    cpu_affinity: integer('cpu_affinity'),
    memory_max: integer('memory_max'),
    nice: integer('nice'),
    scripts: words('scripts', word => word),
    options: pairs('options'),
    env: pairs('env'),
    load_local: boolean('load_local')
  }
  const node = {
    name: nodeOfSection(section.name),
    instance: get('instance', { empty: false })?.value,
    role: role(),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  }
  for (const { property, message } of nodeFaults(node)) {
    errors.push({ ...values.fault(section, property, message), isMinor: true })
  }
  return node
}
