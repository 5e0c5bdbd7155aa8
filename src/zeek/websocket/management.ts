/** The records of Zeek's module Management (`policy/frameworks/management/types.zeek`), and their equivalents here. */
import {
  type ClusterConfiguration,
  type ClusterConfigurationInput,
  type ClusterNode,
  clusterRoles,
  type Instance,
  type NodeStatus,
  type RequestResultData
} from '../../../schemas/types.js'
import {
  address,
  any,
  bool,
  enumOf,
  int,
  optional,
  port,
  record,
  setOf,
  tableOf,
  text,
  vectorOf,
  type Form,
  type RecordOf
} from './record.js'
import type { Value } from './value.js'

const clusterRole = enumOf('Supervisor', ['NONE', ...clusterRoles])
const managementRole = enumOf('Management', ['NONE', 'AGENT', 'CONTROLLER', 'NODE'])
const state = enumOf('Management', ['PENDING', 'RUNNING', 'STOPPED', 'FAILED', 'CRASHED', 'UNKNOWN'])

const instanceFields = { name: text, host: address, listen_port: optional(port) }
const nodeFields = {
  name: text,
  instance: text,
  role: clusterRole,
  state,
  port: optional(port),
  scripts: optional(vectorOf(text)),
  options: optional(setOf(record({ name: text, value: text }))),
  interface: optional(text),
  cpu_affinity: optional(int),
  env: tableOf(text),
  metrics_port: optional(port)
}
const statusFields = {
  node: text,
  state,
  mgmt_role: managementRole,
  cluster_role: clusterRole,
  pid: optional(int),
  port: optional(port),
  metrics_port: optional(port)
}

/** Returns a form for a type of ours that is converted to and from a record. */
function mapped<T, R>(form: Form<R>, to: (value: T) => R, from: (record: R) => T): Form<T> {
  return { encode: value => form.encode(to(value)), decode: (value, at) => from(form.decode(value, at)) }
}

/** zeek-client sends this for an instance that connects by itself: the record has no other way to express it. */
const noHost = '0.0.0.0'

const instance: Form<Instance> = mapped(
  record(instanceFields),
  ({ host = noHost, ...rest }) => ({ host, ...rest }),
  ({ host, ...rest }) => ({ ...rest, ...(host === noHost || host === '::' ? {} : { host }) })
)

/**
 * A field that only Zeek has (a node's state in a configuration) is RUNNING, as zeek-client sends it. A role that no
 * node can have is left to the schema to refuse.
 */
const node: Form<ClusterNode> = mapped(
  record(nodeFields),
  ({ options, env = {}, ...rest }) => ({
    ...rest,
    state: 'RUNNING' as const,
    env,
    ...(options ? { options: Object.entries(options).map(([name, value]) => ({ name, value })) } : {})
  }),
  ({ state: _state, role, options, env, ...rest }) => ({
    ...rest,
    role: role as ClusterNode['role'],
    ...(options ? { options: Object.fromEntries(options.map(({ name, value }) => [name, value])) } : {}),
    ...(Object.keys(env).length > 0 ? { env } : {})
  })
)

export const configuration: Form<ClusterConfigurationInput> = mapped(
  record({ id: text, instances: setOf(instance), nodes: setOf(node) }),
  ({ id = '', instances, nodes }) => ({ id, instances, nodes }),
  ({ id, ...rest }) => ({ ...(id === '' ? {} : { id }), ...rest })
)

/** Zeek reports no management role for a node of the cluster, and no cluster role for a management process. */
const nodeStatus: Form<NodeStatus> = mapped(
  record(statusFields),
  ({ mgmt_role: role, cluster_role: clusterRole = 'NONE' as const, ...rest }) => ({
    ...rest,
    mgmt_role: role === 'NODE' ? ('NONE' as const) : role,
    cluster_role: clusterRole
  }),
  ({ mgmt_role: role, cluster_role: clusterRole, ...rest }) => ({
    ...rest,
    mgmt_role: role,
    ...(clusterRole === 'NONE' ? {} : { cluster_role: clusterRole })
  })
)

const resultFields = {
  reqid: text,
  success: bool,
  instance: optional(text),
  data: optional(any),
  error: optional(text),
  node: optional(text)
}
export const result = record(resultFields)
export type ResultRecord = RecordOf<typeof resultFields>

const nodeStatuses = vectorOf(nodeStatus)
const instances = vectorOf(instance)
const nodeOutputs = record({ stdout: text, stderr: text })

/** Returns the one value that represents the data of a result. */
export function encodeResultData(data: RequestResultData): Value | undefined {
  if (data.id !== undefined) return text.encode(data.id)
  if (data.configuration) return configuration.encode(data.configuration satisfies ClusterConfiguration)
  if (data.nodes) return nodeStatuses.encode(data.nodes)
  if (data.instances) return instances.encode(data.instances)
  if (data.value !== undefined) return text.encode(data.value)
  if (data.stdout !== undefined || data.stderr !== undefined) {
    return nodeOutputs.encode({ stdout: data.stdout ?? '', stderr: data.stderr ?? '' })
  }
  return undefined
}
