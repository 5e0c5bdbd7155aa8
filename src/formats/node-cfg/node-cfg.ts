import { suggestion } from '../../../schemas/nearest.js'
import type { ClusterNode } from '../../../schemas/types.js'
import { canonicalHost } from '../../addresses.js'
import { groupBy, isLoopback } from '../../util.js'
import { Growth, maxNodes, type Converted } from '../converted.js'
import { instancesOf, Names, type Resolve } from './hosts.js'
import { faultAt, pythonDialect, readIni, type Section } from '../ini/ini.js'
import { interpolated } from '../ini/interpolation.js'
import { balanced, type Method, type ZeekctlNode } from './load-balancing.js'
import { nodeKeys, readGroup, type Group } from './node-cfg-section.js'
import { firstOf, note } from '../notes.js'
import { withGroups } from '../numbered.js'
import { refuse, type Fault } from '../refusal.js'
import { zeekctlDefaults, type ZeekctlCfg } from '../zeekctl-cfg/zeekctl-cfg.js'
import { scopes as allScopes, type Scope } from '../zeekctl-cfg/zeekctl-options.js'

// Plugins' keys are written with a dot or an underscore.
const dialect = pythonDialect({ valueless: false, sameKey: key => key.toLowerCase().replaceAll('.', '_') })

export interface NodeCfgContext {
  resolve: Resolve
  /** What holds for all nodes; default: what ZeekControl has without a zeekctl.cfg. */
  common?: ZeekctlCfg
  /** What is wrong with the files that come with this one. */
  errors?: readonly Fault[]
}

/** Reads ZeekControl's node.cfg. Throws every error at once, those of the context too, as `invalid_request`. */
export async function parseNodeCfg(
  text: string,
  { resolve, common = zeekctlDefaults, errors: others = [] }: NodeCfgContext
): Promise<Converted> {
  const ini = readIni(text, dialect)
  const errors = [...ini.errors, ...others]
  const notes: string[] = []
  const values = interpolated(ini, dialect, errors)
  let left = maxNodes
  const groups = ini.sections.map(section => {
    const group = readGroup(section, values, { errors, notes }, left)
    left -= group.balancing?.processes ?? 1
    return group
  })
  const unknown = [...ini.sections, ini.defaults].flatMap(section =>
    values.unasked(section).map(({ key, value = '' }) => ({ section, key, value }))
  )
  notes.push(...firstOf(unknown, noteOnUnknown, 'keys are unknown'))
  errors.push(...faults(groups))
  refuse(errors)

  const growth = new Growth()
  for (const { name, interface: source, env, scripts, options, balancing } of groups) {
    if (balancing) growth.add(name, [source, env, scripts, options], balancing.processes)
  }
  const processes = groups.flatMap(processesOf)
  if (common !== zeekctlDefaults) {
    const { scripts, arguments: more, env, optionsOf } = common
    growth.add('zeekctl.cfg', [scripts, more, env, optionsOf('', allScopes)], processes.length)
  }
  const nodes = balanced(furnished(processes, common), common.balancing)
  errors.push(...twins(nodes))
  refuse(errors)
  const names = new Names([])
  const renamed = nodes.map(node => ({ ...node, name: names.take(node.name) }))
  for (const [index, { name }] of nodes.entries()) {
    if (renamed[index]!.name !== name) notes.push(`[${name}] the node is named ${renamed[index]!.name} here`)
  }
  // ZeekControl runs on the host of the manager: localhost is that host.
  const home = nodes.find(({ role }) => role === 'MANAGER')!.host
  const {
    instances,
    nameOf,
    notes: hostNotes
  } = await instancesOf(
    { hosts: nodes.map(({ host }) => host), home, resolve },
    renamed.map(({ name }) => name)
  )
  if (common.isAssumed) notes.push(...groups.flatMap(assumptions), assumedScripts)
  const all = renamed.map(node => settled(node, nameOf))
  const { configuration, notes: groupNotes } = withGroups(all, numbered(groups, all))
  return { configuration: { instances, ...configuration }, notes: [...notes, ...groupNotes, ...hostNotes] }
}

/** What is taken for what zeekctl.cfg may say otherwise. */
const assumedScripts =
  "every node loads local.zeek, ZeekControl's default; if SitePolicyScripts in zeekctl.cfg names other scripts, convert it with this file"
const assumed: Partial<Record<Method, string>> = {
  custom:
    'nothing is put around the interface; if zeekctl.cfg has lb_custom.InterfacePrefix or InterfaceSuffix, convert it with this file',
  pf_ring:
    'cluster id 21, type 4-tuple and first application instance 0 are taken; if zeekctl.cfg has others, convert it with this file'
}

function assumptions({ section, balancing }: Group): string[] {
  const advice = balancing && assumed[balancing.method]
  return advice === undefined ? [] : [note(section, 'lb_method', balancing!.method, advice)]
}

const noteOnUnknown = ({ section, key, value }: { section: Section; key: string; value: string }) =>
  note(
    section,
    key,
    value,
    `is unknown, and ignored by ZeekControl, too, unless a plugin of yours has it${suggestion(key, nodeKeys)}`
  )

/** Returns what ZeekControl refuses about all groups together. */
function faults(groups: readonly Group[]): Fault[] {
  const managers = groups.filter(({ type }) => type === 'manager')
  const standalone = groups.find(({ type }) => type === 'standalone')
  if (groups.length === 0) return [{ section: 'node.cfg', message: 'holds no nodes' }]
  if (standalone) {
    return groups.length === 1
      ? []
      : [
          {
            section: standalone.name,
            line: standalone.section.line,
            message: 'is standalone: there must be no other node'
          }
        ]
  }
  const errors = managers.slice(1).map(({ name, section: { line } }): Fault => ({
    section: name,
    line,
    message: 'is a second manager: there must be one only'
  }))
  if (managers.length === 0) errors.push({ section: 'node.cfg', message: 'holds no manager' })
  if (!groups.some(({ type }) => type === 'proxy')) errors.push({ section: 'node.cfg', message: 'holds no proxy' })
  const isOwn = (host: string) => isLoopback(canonicalHost(host))
  if (managers[0] && isOwn(managers[0].host)) {
    for (const { section, host } of groups) {
      if (host !== '' && !isOwn(host)) {
        errors.push(
          faultAt(
            section,
            'host',
            'must be localhost, 127.0.0.1 or ::1, as that of the manager is; or give the manager the address of its host at which this one reaches it'
          )
        )
      }
    }
  }
  return errors
}

/** Returns names that differ only in case, since working directories may do so, too. */
function twins(nodes: readonly ZeekctlNode[]): Fault[] {
  return [...groupBy(nodes, ({ name }) => name.toLowerCase()).values()].flatMap(([first, ...others]) =>
    others.map(({ name }) => ({ section: name, message: `is a duplicate of "${first!.name}"` }))
  )
}

/** Returns the processes that ZeekControl runs for a section. */
function processesOf({ section, type, cpus, interfaces, ...node }: Group): ZeekctlNode[] {
  if (type === 'standalone') {
    const manager = {
      ...node,
      name: node.name === 'manager' ? 'zeek-manager' : 'manager',
      role: 'MANAGER' as const,
      interface: '',
      cpu: undefined
    }
    return [manager, node]
  }
  if (!node.balancing) return [node]
  return Array.from({ length: node.balancing.processes }, (_, index) => ({
    ...node,
    name: `${node.name}-${index + 1}`,
    cpu: cpus[index % cpus.length],
    interface: interfaces[index] ?? node.interface
  }))
}

/** Returns the nodes of each section that has a number of processes. `nodes`: of all sections, in their order. */
function numbered(groups: readonly Group[], nodes: readonly ClusterNode[]): Map<string, ClusterNode[]> {
  const of = new Map<string, ClusterNode[]>()
  let next = 0
  for (const { name, balancing } of groups) {
    const count = balancing?.processes ?? 1
    if (balancing) of.set(name, nodes.slice(next, next + count))
    next += count
  }
  return of
}

/** Gives nodes what all have, in the order in which ZeekControl puts it on their command lines. */
function furnished(nodes: readonly ZeekctlNode[], common: ZeekctlCfg): ZeekctlNode[] {
  const { scripts, arguments: more, env, optionsOf } = common
  const hasLogger = nodes.some(({ role }) => role === 'LOGGER')
  return nodes.map(node => {
    const scopes: Scope[] = ['all']
    if (node.role === (hasLogger ? 'LOGGER' : 'MANAGER')) scopes.push('logging')
    if (node.role === 'WORKER') scopes.push('capturing')
    return {
      ...node,
      env: { ...env, ...node.env },
      scripts: [...scripts, ...node.scripts, ...more.scripts],
      options: { ...optionsOf(node.name, scopes), ...node.options, ...more.options }
    }
  })
}

function settled(
  { name, role, host, interface: source, cpu, env, scripts, options }: ZeekctlNode,
  nameOf: Map<string, string>
): ClusterNode {
  return {
    name,
    instance: nameOf.get(host)!,
    role,
    ...(source === '' ? {} : { interface: source }),
    ...(cpu === undefined ? {} : { cpu_affinity: cpu }),
    ...(scripts.length === 0 ? {} : { scripts }),
    ...(Object.keys(options).length === 0 ? {} : { options }),
    ...(Object.keys(env).length === 0 ? {} : { env })
  }
}
