import type { ClusterNode, ClusterRole } from '../../../schemas/types.js'
import { canonicalHost, isPlainAddress } from '../../addresses.js'
import { messageOf } from '../../errors.js'
import { adviceOnRest, sortArguments } from '../arguments.js'
import type { Section } from '../ini/ini.js'
import type { Values } from '../ini/interpolation.js'
import { readVariables } from '../ini/variables.js'
import { methods, type ZeekctlNode } from './load-balancing.js'
import { note } from '../notes.js'
import { shown, type Fault } from '../refusal.js'
import { instanceFaults, nodeFaults } from '../schema-faults.js'

export const types = ['logger', 'manager', 'proxy', 'worker', 'standalone'] as const
export type ZeekctlType = (typeof types)[number]

/** A section of node.cfg: one process, or with `lb_procs` several alike. */
export interface Group extends ZeekctlNode {
  section: Section
  type: ZeekctlType
  cpus: number[]
  interfaces: string[]
}

const roles: Record<ZeekctlType, ClusterRole> = {
  logger: 'LOGGER',
  manager: 'MANAGER',
  proxy: 'PROXY',
  worker: 'WORKER',
  standalone: 'WORKER'
}

/** Keys that have no equivalent here, and what to do instead. */
const advice: Record<string, (value: string) => string> = {
  zeekbase: value => `set ZEEK_BIN=${value}/bin/zeek for the agent of this host`,
  zone_id: () => 'there are no zones here; give the host an address that needs none',
  ether: () => 'ZeekControl does not use it either',
  count: () => 'ZeekControl sets it itself'
}
const afPacketKeys = [
  'block_size',
  'block_timeout',
  'buffer_size',
  'checksum_validation_mode',
  'enable_defrag',
  'enable_fanout',
  'enable_hw_timestamping',
  'fanout_id',
  'fanout_mode',
  'link_type'
]

/** The keys of a section. */
export const nodeKeys = [
  'type',
  'host',
  'interface',
  'lb_procs',
  'lb_method',
  'lb_interfaces',
  'pin_cpus',
  'env_vars',
  'aux_scripts',
  ...Object.keys(advice),
  ...afPacketKeys.map(key => `af_packet_${key}`)
]

interface Reader {
  /** Adds an error for a value that a schema refuses. */
  refuse: (key: string, message: string) => void
  /** Returns a value, or "". */
  get: (key: string) => string
  complain: (key: string, message: string) => void
  /** Adds a note about a key. */
  tell: (key: string, advice: string) => void
}

/** Collects what is found in a file. */
export interface Report {
  errors: Fault[]
  notes: string[]
}

/**
 * Reads a section, which may have at most `maxProcesses` processes. What ZeekControl refuses goes to `errors`; then the
 * group must not be used.
 */
export function readGroup(section: Section, values: Values, report: Report, maxProcesses: number): Group {
  const reader = readerOf(section, values, report)
  const { get, complain, tell } = reader
  const type = readType(reader)
  if (get('host') === '') complain('host', 'is missing')
  const balancing = readBalancing(reader, type, maxProcesses)
  const interfaces = readInterfaces(reader, balancing)
  const cpus = readCpus(reader, balancing?.processes ?? 1)
  const { scripts, options } = readScripts(reader)
  const afPacketOptions = readAfPacket(reader, balancing)
  for (const key of Object.keys(advice)) if (get(key) !== '') tell(key, advice[key]!(get(key)))

  const group: Group = {
    section,
    type: type ?? 'worker',
    name: section.name,
    role: roles[type ?? 'worker'],
    host: get('host'),
    interface: get('interface'),
    interfaces,
    cpus,
    cpu: cpus[0],
    env: readVariables(get('env_vars'), message => complain('env_vars', message)),
    scripts,
    options: { ...options, ...afPacketOptions },
    ...(balancing && { balancing })
  }
  examine(group, reader)
  return group
}

function readerOf(section: Section, values: Values, { errors, notes }: Report): Reader {
  const get = (key: string) => values.get(section, key)?.value ?? ''
  return {
    get,
    complain: (key, message) => {
      errors.push(values.fault(section, key, message))
    },
    refuse: (key, message) => {
      errors.push({ ...values.fault(section, key, message), isMinor: true })
    },
    tell: (key, advice) => {
      notes.push(note(section, key, get(key), advice))
    }
  }
}

/** Reports what the schemas refuse. */
function examine(
  { host, interface: source, interfaces, cpus, env, scripts, options }: Group,
  { refuse }: Reader
): void {
  const keyOf: Record<string, string> = {
    interface: interfaces.length > 0 ? 'lb_interfaces' : 'interface',
    cpu_affinity: 'pin_cpus',
    env: 'env_vars'
  }
  const sources = interfaces.length > 0 ? interfaces : [source]
  const parts: Partial<ClusterNode>[] = [
    { env, scripts, options },
    ...sources.filter(name => name !== '').map(name => ({ interface: name })),
    ...cpus.filter(Number.isInteger).map(cpu => ({ cpu_affinity: cpu }))
  ]
  for (const { property, name = '', message } of parts.flatMap(nodeFaults)) {
    refuse(
      keyOf[property] ??
        (name.startsWith('AF_Packet::') ? `af_packet_${name.slice('AF_Packet::'.length)}` : 'aux_scripts'),
      message
    )
  }
  if (isPlainAddress(canonicalHost(host))) {
    for (const { message } of instanceFaults({ name: 'a', host: canonicalHost(host) })) refuse('host', message)
  }
}

function readType({ get, complain, tell }: Reader): ZeekctlType | undefined {
  const type = types.find(type => type === get('type'))
  if (get('type') === '') complain('type', 'is missing')
  else if (!type) complain('type', `is an unknown node type '${shown(get('type'))}'; known are ${types.join(', ')}`)
  if (type === 'standalone') tell('type', 'becomes a cluster of a manager, which writes the logs, and a worker')
  return type
}

function readBalancing(
  { get, complain }: Reader,
  type: ZeekctlType | undefined,
  maxProcesses: number
): Group['balancing'] {
  const [processes, name] = [get('lb_procs'), get('lb_method')]
  const method = methods.find(method => method === name)
  if (processes === '') {
    if (name !== '') complain('lb_method', 'needs lb_procs')
    return undefined
  }
  if (type !== 'worker') complain('lb_procs', 'is for workers only')
  if (!/^\+?\d+$/.test(processes) || Number(processes) < 1) complain('lb_procs', 'must be an integer greater than zero')
  else if (Number(processes) > maxProcesses) {
    complain('lb_procs', `is more than there can be nodes: ${maxProcesses} are left`)
  }
  if (name === '') complain('lb_procs', 'needs lb_method')
  else if (!method) {
    complain('lb_method', `is an unknown load balancing method '${shown(name)}'; known are ${methods.join(', ')}`)
  }
  if (method === 'af_packet' && get('interface').startsWith('af_packet::')) {
    complain('interface', 'has af_packet:: already, which lb_method = af_packet adds')
  }
  return { method: method ?? 'custom', processes: Number(processes) }
}

/** Returns the interface of each process, where each has its own: ZeekControl takes them from the end of the list. */
function readInterfaces({ get, complain, tell }: Reader, balancing: Group['balancing']): string[] {
  const text = get('lb_interfaces')
  if (balancing?.method !== 'interfaces') {
    if (text !== '') tell('lb_interfaces', 'has no effect without lb_method = interfaces')
    return []
  }
  const interfaces = text.split(',').map(name => name.trim())
  if (text === '') complain('lb_interfaces', 'is missing')
  else if (interfaces.length !== balancing.processes) {
    complain('lb_interfaces', `has ${interfaces.length} interfaces for ${balancing.processes} processes`)
  }
  return interfaces.reverse()
}

/** Returns the options of the AF_Packet plugin, by full name. */
function readAfPacket({ get, tell }: Reader, balancing: Group['balancing']): Record<string, string> {
  const given = afPacketKeys.filter(key => get(`af_packet_${key}`) !== '')
  if (balancing) return Object.fromEntries(given.map(key => [`AF_Packet::${key}`, get(`af_packet_${key}`)]))
  for (const key of given) tell(`af_packet_${key}`, 'has no effect without lb_procs, as in ZeekControl')
  return {}
}

function readCpus({ get, complain, tell }: Reader, processes: number): number[] {
  if (get('pin_cpus') === '') return []
  const cpus = get('pin_cpus').split(',')
  if (!cpus.every(cpu => /^\s*\+?\d+\s*$/.test(cpu))) complain('pin_cpus', 'must be a list of non-negative integers')
  else if (cpus.length > processes) {
    tell('pin_cpus', `of these only the first ${processes} ${processes === 1 ? 'is' : 'are'} used, as in ZeekControl`)
  }
  return cpus.map(Number)
}

function readScripts({ get, complain, tell }: Reader): { scripts: string[]; options: Record<string, string> } {
  try {
    const { scripts, options, rest } = sortArguments(get('aux_scripts'))
    for (const advice of adviceOnRest(rest)) tell('aux_scripts', advice)
    return { scripts, options }
  } catch (error) {
    complain('aux_scripts', `is invalid: ${messageOf(error)}`)
    return { scripts: [], options: {} }
  }
}
