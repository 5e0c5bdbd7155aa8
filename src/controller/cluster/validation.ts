import type { Capture } from '../../../schemas/captures.js'
import type { ClusterConfigurationInput, ClusterNode } from '../../../schemas/types.js'
import { oddPlaces } from '../../addresses.js'
import { maskedFieldsOf } from '../../security/secrets.js'
import { sharing } from '../../sharing.js'
import { compare, groupBy, isLoopback } from '../../util.js'
import { needsPort } from './ports.js'

export interface Findings {
  /** Errors, sorted by text; with one of them the configuration cannot be deployed. */
  errors: string[]
  /** What is unusual, but works in Zeek's own controller. */
  warnings: string[]
}

export interface ValidationRules {
  controllerName: string
  controllerPorts: readonly number[]
  autoAssignBrokerPorts: boolean
  /** Whether agents are dialled over TLS. */
  dialsSecurely: boolean
}

const tcp = (port: number) => `${port}/tcp`

/** Returns the values that occur more than once. */
function repeated<T>(values: Iterable<T>): T[] {
  return [...groupBy(values, value => value)].filter(([, group]) => group.length > 1).map(([value]) => value)
}

/** Finds everything that is wrong with a configuration. The texts of the first seven rules are Zeek's own. */
export function validate({ instances, nodes }: ClusterConfigurationInput, rules: ValidationRules): Findings {
  const instanceNames = new Set(instances.map(({ name }) => name))
  const shared = sharing(nodes)
  const errors = [
    ...repeated(instances.map(({ name }) => name)).map(name => `multiple instances named '${name}'`),
    ...repeated(nodes.map(({ name }) => name)).map(name => `multiple nodes named '${name}'`),
    ...collisions(instanceNames, nodes),
    ...nodes
      .filter(({ name }) => name === rules.controllerName)
      .map(({ name }) => `node '${name}' has the name of the controller`),
    ...nodes
      .filter(({ instance }) => !instanceNames.has(instance))
      .map(({ name, instance }) => `node '${name}' has undeclared instance name '${instance}'`),
    ...portConflicts({ instances, nodes }, rules),
    ...lackingPorts(nodes, rules),
    ...dialledInClear(instances, rules),
    ...shared.errors,
    ...maskedFieldsOf('node', nodes)
  ]
  const warnings = [
    ...oddities({ instances, nodes }),
    ...strangers(instanceNames, nodes),
    ...oddPlaces(instances),
    ...shared.warnings
  ]
  return { errors: [...new Set(errors)].sort(compare), warnings }
}

/** Returns an error for each capture that is no file of the bundle, or is named before. */
export function missingCaptures(captures: readonly Capture[], files: ReadonlySet<string>): string[] {
  return captures.flatMap(({ file }, n) => {
    if (!files.has(file)) return [`captures/${n}/file: the bundle has no ${file}`]
    return captures.findIndex(other => other.file === file) < n ? [`captures/${n}/file: ${file} is named before`] : []
  })
}

function collisions(instanceNames: Set<string>, nodes: readonly ClusterNode[]): string[] {
  const both = [...new Set(nodes.map(({ name }) => name).filter(name => instanceNames.has(name)))].sort(compare)
  return both.length > 0 ? [`node and instance names collide: ${both.join(', ')}`] : []
}

function portConflicts(
  { instances, nodes }: ClusterConfigurationInput,
  { controllerPorts }: ValidationRules
): string[] {
  const errors: string[] = []
  const agentPorts = new Set(instances.map(({ name, listen_port: port }) => `${name} ${port}`))
  for (const { name, instance, port, metrics_port: metricsPort } of nodes) {
    for (const [kind, number] of [
      ['port', port],
      ['metrics port', metricsPort]
    ] as const) {
      if (number === undefined) continue
      if (agentPorts.has(`${instance} ${number}`)) {
        errors.push(`node '${name}' ${kind} ${tcp(number)} conflicts with agent port on instance '${instance}'`)
      }
      if (controllerPorts.includes(number)) {
        errors.push(`node '${name}' ${kind} ${tcp(number)} conflicts with controller port`)
      }
    }
  }
  for (const [instance, group] of groupBy(nodes, node => node.instance)) {
    const ports = group.flatMap(({ port }) => port ?? [])
    for (const port of repeated(ports)) errors.push(`multiple nodes on instance '${instance}' using port ${tcp(port)}`)
    for (const port of repeated(group.flatMap(({ metrics_port: port }) => port ?? []))) {
      errors.push(`multiple nodes on instance '${instance}' using metrics port ${tcp(port)}`)
    }
    for (const { name, metrics_port: port } of group) {
      const other = group.find(node => port !== undefined && node.port === port)
      if (other) errors.push(`node '${name}' metrics port ${tcp(port!)} conflicts with port of node '${other.name}'`)
    }
  }
  return errors
}

function lackingPorts(nodes: readonly ClusterNode[], { autoAssignBrokerPorts }: ValidationRules): string[] {
  const lacking = nodes
    .filter(node => needsPort(node) && node.port === undefined)
    .map(({ name }) => name)
    .sort(compare)
  return autoAssignBrokerPorts || lacking.length === 0
    ? []
    : [`Broker port auto-assignment disabled but nodes ${lacking.join(', ')} lack ports`]
}

function dialledInClear(
  instances: ClusterConfigurationInput['instances'],
  { dialsSecurely }: ValidationRules
): string[] {
  if (dialsSecurely) return []
  return instances
    .filter(({ host, listen_port: port }) => port !== undefined && host !== undefined && !isLoopback(host))
    .map(
      ({ name, host }) =>
        `instance '${name}' at ${host} would be dialled in clear: set ZEEK_CONTROLLER_TLS_CERT and ZEEK_CONTROLLER_TLS_KEY`
    )
}

/** Returns a warning for each undeclared instance name that differs from a declared one only in case. */
function strangers(instanceNames: Set<string>, nodes: readonly ClusterNode[]): string[] {
  const byLetters = new Map([...instanceNames].map(name => [name.toLowerCase(), name]))
  const undeclared = new Set(nodes.map(({ instance }) => instance).filter(instance => !instanceNames.has(instance)))
  return [...undeclared].flatMap(instance => {
    const declared = byLetters.get(instance.toLowerCase())
    return declared === undefined
      ? []
      : [`instance '${instance}' is not declared, but '${declared}' is: the case of letters matters`]
  })
}

function oddities({ instances, nodes }: ClusterConfigurationInput): string[] {
  const count = (role: ClusterNode['role']) => nodes.filter(node => node.role === role).length
  const warnings: string[] = []
  if (count('MANAGER') > 1) warnings.push(`there are ${count('MANAGER')} managers`)
  if (count('MANAGER') === 0 && count('WORKER') > 0) warnings.push('there are workers, but no manager')
  for (const { name, role, interface: source } of nodes) {
    if (role === 'WORKER' && source === undefined) warnings.push(`worker '${name}' has no interface`)
    if (role !== 'WORKER' && source !== undefined) warnings.push(`node '${name}' is no worker but has an interface`)
  }
  for (const { name, host, listen_port: port } of instances) {
    if (port !== undefined && host === undefined) {
      warnings.push(
        `instance '${name}' has a listen_port but no host: the controller can only dial it where it was last seen`
      )
    }
  }
  return warnings
}
