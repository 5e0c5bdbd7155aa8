import { isIP } from 'node:net'
import { suggestion } from '../../../schemas/nearest.js'
import type { ClusterConfigurationInput, Instance } from '../../../schemas/types.js'
import { canonicalHost } from '../../addresses.js'
import { messageOf } from '../../errors.js'
import { compare } from '../../util.js'
import type { Resolve } from '../node-cfg/hosts.js'
import { isPort, nodeKeys, readNode } from './cluster-cfg-node.js'
import { lowerCase, pythonDialect, readIni, type Section } from '../ini/ini.js'
import { interpolated, type Values } from '../ini/interpolation.js'
import { refuse, shown, type Fault } from '../refusal.js'
import { instanceFaults } from '../schema-faults.js'

export { formatClusterCfg } from './cluster-cfg-text.js'

export interface ClusterCfgContext {
  resolve: Resolve
  /** The instance of all nodes when no node names one. */
  defaultInstance: string
}

const declarations = 'instances'

// configparser converts the names of instances to lower case, too, and then finds none for `instance = Agent-1`.
const dialect = pythonDialect({
  valueless: true,
  sameKey: (key, section) => (section === declarations ? key : lowerCase(key))
})

/** Reads zeek-client's cluster.cfg. Throws every error at once, as `invalid_request`; a field is `section.key`. */
export async function parseClusterCfg(
  text: string,
  { resolve, defaultInstance }: ClusterCfgContext
): Promise<ClusterConfigurationInput> {
  const ini = readIni(text, dialect)
  const errors = [...ini.errors]
  const values = interpolated(ini, dialect, errors)
  const declared = ini.sections.find(({ name }) => name === declarations)
  const sections = ini.sections.filter(section => section !== declared)
  const read = sections.map(section => readNode(section, values, errors))
  const homeless = sections.filter((_, index) => read[index]!.instance === undefined)
  if (homeless.length > 0) {
    if (homeless.length < sections.length) {
      errors.push(values.fault(homeless[0]!, 'instance', 'either all or no nodes must state instances'))
    } else if (declared) {
      errors.push({
        section: declarations,
        line: declared.line,
        message: 'omit instances section when skipping instances in node definitions'
      })
    }
  }
  for (const section of [...sections, ini.defaults]) {
    for (const { key } of values.unasked(section)) {
      errors.push(values.fault(section, key, `is not known${suggestion(key, nodeKeys)}`))
    }
  }
  const nodes = read.map(node => ({ ...node, instance: node.instance ?? defaultInstance }))
  const instances = declared
    ? await readInstances(declared, values, resolve, errors)
    : [...new Set(nodes.map(({ instance }) => instance))].sort(compare).map(name => ({ name }))
  refuse(errors)
  return { instances, nodes }
}

/** Reads `<name>` for an instance that connects itself, `<name> = <host>:<port>` for one that the controller dials. */
async function readInstances(
  section: Section,
  { get, fault }: Values,
  resolve: Resolve,
  errors: Fault[]
): Promise<Instance[]> {
  const addresses = new Map<string, Promise<string>>()
  return await Promise.all(
    [...section.entries.keys()].map(async name => {
      const complain = (message: string) => {
        errors.push(fault(section, name, message))
      }
      for (const { property, message } of instanceFaults({ name })) complain(`${property} ${message}`)
      const value = get(section, name)!.value
      if (value === undefined || value === '') return { name }
      const colon = value.lastIndexOf(':')
      const host = value
        .slice(0, Math.max(0, colon))
        .trim()
        .replace(/^\[(.*)\]$/, '$1')
      const port = value.slice(colon + 1).trim()
      if (host === '' || !/^\d+$/.test(port)) {
        complain(`invalid spec for instance "${name}": "${shown(value)}" should be <host>:<port>`)
        return { name }
      }
      if (!isPort(Number(port))) complain(`port ${shown(port)} outside valid range`)
      const listening = { name, listen_port: Number(port) }
      // zeek-client's way to express that there is no address.
      if (['0.0.0.0', '::'].includes(canonicalHost(host))) return listening
      if (isIP(host) !== 0) {
        for (const { message } of instanceFaults({ name: 'a', host })) complain(`host ${host} ${message}`)
        return { ...listening, host }
      }
      if (!addresses.has(host)) addresses.set(host, Promise.resolve(host).then(resolve))
      try {
        return { ...listening, host: await addresses.get(host)! }
      } catch (error) {
        complain(`has a host without an address, ${shown(host)}: ${messageOf(error)}`)
        return listening
      }
    })
  )
}
