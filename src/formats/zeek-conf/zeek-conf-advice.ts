import { suggestion } from '../../../schemas/nearest.js'

const unit =
  'a matter of the operating system: set it in the unit that runs zeek-cluster, where it holds for the agent and its nodes together'
const archiver = 'the agent archives logs; with another command where ZEEK_AGENT_ARCHIVE_CMD says so'
const layout = 'not needed: the controller makes the layout of the cluster'

/** Keys of zeek.conf that have no equivalent in a configuration, and what to do instead. */
const advice: Record<string, (value: string) => string> = {
  user: () => 'nodes run as the user of their agent',
  group: () => 'nodes run as the group of their agent',
  restart_interval_sec: value => `set ZEEK_AGENT_RESTART_DELAY=${value} for the agent`,
  base_dir: value => `set ZEEK_BIN=${value}/bin/zeek for the agent`,
  path: () => 'nodes have the PATH of their agent: set it there',
  ext_path: () => 'nodes have the PATH of their agent: put it first there',
  ext_zeek_path: () => 'set ZEEKPATH for the agent: this, then what "zeek --help" prints for it',
  cluster_layout: () => layout,
  port: value => `set ZEEK_CONTROLLER_AUTO_ASSIGN_BROKER_START_PORT=${value} for the controller`,
  metrics_port: value =>
    value === '0'
      ? 'set ZEEK_CONTROLLER_AUTO_ASSIGN_METRICS_PORTS=false for the controller'
      : `set ZEEK_CONTROLLER_AUTO_ASSIGN_METRICS_START_PORT=${value} for the controller`,
  archiver: () => archiver,
  archiver_args: () => archiver,
  archiver_env: () => archiver,
  archiver_cpu_set: () => archiver
}
advice.cluster_port = advice.port!

/** The other keys of [zeek], and those of a section of an interface. */
const ofZeek = [
  ...Object.keys(advice),
  'manager',
  'loggers',
  'proxies',
  'args',
  'env',
  'address',
  'cluster_address',
  'cluster_node_prefix',
  ...['manager', 'logger', 'proxy'].flatMap(word => ['args', 'env', 'cpu_set'].map(key => `${word}_${key}`))
]
const ofInterface = ['interface', 'workers', 'workers_cpu_list', 'worker_args', 'worker_env']

/** Returns what to do about a key that the configuration cannot hold. */
export function adviceFor(section: string, key: string, value: string): string {
  if (section !== '' && section !== 'zeek' && !section.startsWith('interface')) {
    return 'the generator does not read this section'
  }
  if (key.startsWith('archiver')) return archiver
  const [, limit] = /_(nice|memory_max)$/.exec(key) ?? []
  if (limit !== undefined) return `give the nodes, or their group, ${limit}`
  if (/_numa_policy$/.test(key)) return unit
  if (key === 'cluster_backend_args') return backend(value)
  if (!section.startsWith('interface') && /^(interface|workers?(_.*)?)$/.test(key)) {
    return 'belongs into a section [interface NAME]'
  }
  if (Object.hasOwn(advice, key)) return advice[key]!(value)
  if (section.startsWith('interface')) return `belongs into [zeek], or is unknown${suggestion(key, ofInterface)}`
  return `is unknown to the generator, too${suggestion(key, [...ofZeek, ...(section === '' ? ofInterface : [])])}`
}

function backend(value: string): string {
  if (/zeromq/.test(value)) {
    return 'not needed: nodes use ZeroMQ, on one host and on several, unless ZEEK_CONTROLLER_CLUSTER_BACKEND says otherwise'
  }
  if (/backend\/broker/.test(value)) return 'set ZEEK_CONTROLLER_CLUSTER_BACKEND=broker for the controller'
  return 'there is no such backend here; nodes use ZeroMQ'
}
