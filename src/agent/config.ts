import { hostname } from 'node:os'
import { Type, type Static, type TObject } from '@sinclair/typebox'
import { nodeTimes, nodeTimeMax } from '../../schemas/agent.js'
import { captureSeconds } from '../../schemas/captures.js'
import { nameExpected, namePattern } from '../../schemas/types.js'
import { trialSeconds } from '../../schemas/upgrades.js'
import { AppError } from '../errors.js'
import { Count, File, ListenAddress, ListenPort, managementSettings, Seconds } from '../settings.js'
import { hostOf, isLoopback } from '../util.js'

/** Longest time between two looks for rotated logs, and between two deletions of old ones, in seconds. */
export const archiveMax = 3600

/** The settings of an agent. */
export const agentSettings = {
  agent_name: Type.String({
    pattern: namePattern,
    'x-expected': nameExpected,
    default: `agent-${hostname()}`,
    description: 'the name of the agent and its instance'
  }),
  agent_controller: Type.String({
    pattern: '^(none|[^\\s/,]+:[0-9]{1,5}(, *[^\\s/,]+:[0-9]{1,5})*)$',
    default: '127.0.0.1:2150',
    description:
      'host:port of the controller to dial, or of several, with commas, of which one leads; unless one runs in the same zeek-cluster: then that, as it listens and with what it asks; none: listen, and be dialled'
  }),
  agent_token_file: File(
    'a file with the token that the agent shows to its controller; with a controller in the same zeek-cluster, one that this makes (agent.token in the state directory)'
  ),
  agent_tls_ca: File(
    "authorities (PEM) that the controller's certificate is checked against; given, the agent speaks TLS"
  ),
  agent_tls_pin: File(
    "the controller's own certificate (PEM), if it is to be that one, whatever names are in it; given, the agent speaks TLS; with a controller in the same zeek-cluster, that one's"
  ),
  agent_tls_by_proxy: Type.Boolean({
    default: false,
    description:
      'whether something else encrypts the way to the controller (a tunnel, a private network), so that the agent may dial other addresses than loopback without TLS'
  }),
  agent_tls_cert: File('the certificate (PEM) that the agent shows; its O is "agent", its CN the agent\'s name'),
  agent_tls_key: File('the key (PEM) of that certificate'),
  agent_addr: ListenAddress({ default: '127.0.0.1', description: 'where an agent that is dialled listens' }),
  agent_port: ListenPort({ default: 2151, description: 'where an agent that is dialled listens' }),
  agent_advertise_addr: Type.Optional(
    Type.String({
      format: 'ip',
      description: 'the address at which other instances reach this one; default: the one that the controller sees'
    })
  ),
  agent_stop_timeout: Seconds({
    default: nodeTimes.stop,
    maximum: nodeTimeMax,
    description: 'seconds from SIGTERM to SIGKILL of a node'
  }),
  agent_start_timeout: Seconds({
    default: nodeTimes.start,
    maximum: nodeTimeMax,
    description:
      'seconds that a node may need to join the cluster: what a request that starts nodes has for it, unless its own timeout says otherwise'
  }),
  agent_progress_interval: Seconds({
    default: 5,
    minimum: 0.01,
    description: 'seconds between words of which nodes a request waits for'
  }),
  agent_restart_delay: Seconds({
    default: 1,
    minimum: 0.01,
    description: 'seconds until a node that exited is started again; doubles with each exit in a row'
  }),
  agent_restart_delay_max: Seconds({ default: 60, description: 'seconds that this delay grows to' }),
  agent_restart_reset: Seconds({
    default: 60,
    description: 'seconds of running after which an exit counts as the first again'
  }),
  agent_restart_max: Count({ default: 10, description: 'exits in a row after which a node is FAILED; 0: never' }),
  agent_silent_after: Seconds({
    default: 60,
    minimum: 0.1,
    description:
      'seconds without a sign of life after which a node is UNKNOWN; one comes every 5 seconds, later when a node is busy'
  }),
  agent_restart_silent: Seconds({
    default: 0,
    description: 'seconds without a sign of life after which a node is restarted; 0: never'
  }),
  agent_cgroup: File(
    'a cgroup (version 2) without processes, in which each node with memory_max gets one of its own; default: that around the one of the supervisor, if this is named supervisor'
  ),
  agent_output_max_bytes: Count({
    default: 10_485_760,
    minimum: 4096,
    description: "size at which a node's stdout and stderr files are rotated"
  }),
  agent_stats_interval: Seconds({
    default: 10,
    minimum: 0.1,
    description: 'seconds between the samples of what its nodes use and see'
  }),
  agent_rotation_interval: Seconds({
    default: 3600,
    description:
      'seconds after which nodes rotate their logs into the queue, unless their scripts or options say otherwise; 0: they do not'
  }),
  agent_archive_logs: Type.Boolean({
    default: true,
    description: 'whether the agent archives rotated logs; otherwise they stay in the queue, for others to take'
  }),
  agent_archive_interval: Seconds({
    default: 60,
    maximum: archiveMax,
    description: `seconds between looks for rotated logs; 0: as agent_rotation_interval, at most ${archiveMax}`
  }),
  agent_archive_cmd: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'what archives logs, for the shell; gets -1 and the two directories, queue and archive; default: zeek-archiver beside zeek or on the PATH, else our own'
    })
  ),
  agent_archive_dir: File('where logs are archived, in a directory per day; default: logs/ in the state directory'),
  agent_archive_timeout: Seconds({
    default: 3600,
    minimum: 0.01,
    description: 'seconds that one run of the archiver may take'
  }),
  agent_archive_max_age: Seconds({
    default: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'seconds after which an archived log is deleted; 0: never'
  }),
  agent_archive_max_bytes: Count({
    default: 0,
    description: 'size of all archived logs above which the oldest are deleted; 0: no limit'
  }),
  agent_archive_min_free: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 99,
    description:
      "percent of the archive's file system that is kept free, by deleting the oldest archived logs; 0: whatever is free"
  }),
  agent_capture_timeout: Seconds({
    default: captureSeconds,
    minimum: 0.1,
    maximum: nodeTimeMax,
    description: 'seconds that zeek may take to read a capture of a check'
  }),
  agent_capture_memory_max: Count({
    default: 2_147_483_648,
    minimum: 1,
    description: 'memory, in bytes, beyond which zeek is killed while it reads a capture of a check'
  }),
  agent_capture_disk_max: Count({
    default: 1_073_741_824,
    minimum: 1,
    description: 'bytes of logs and other files beyond which zeek is killed while it reads a capture of a check'
  }),
  agent_upgrade_timeout: Seconds({
    default: trialSeconds,
    minimum: 1,
    maximum: nodeTimeMax,
    description:
      'seconds within which a controller must have accepted an agent that was upgraded; else the one before runs again'
  }),
  bin: Type.String({ default: 'zeek', minLength: 1, description: 'the zeek executable, a path or a name on the PATH' })
}

export type AgentSettings = Static<TObject<typeof managementSettings & typeof agentSettings>>

/** Settings and environment that an agent was started with. */
export interface AgentContext {
  settings: AgentSettings
  /** Environment of the agent: zeek is looked for in its PATH, and nodes inherit it. */
  env: NodeJS.ProcessEnv
  /** The umask that archived logs get; undefined: that of this process. */
  umask?: number | undefined
}

/** Returns where the agent dials controllers, each as host:port; none when it is dialled. */
export function controllersOf({ agent_controller: controllers }: Pick<AgentSettings, 'agent_controller'>): string[] {
  return controllers === 'none' ? [] : controllers.split(/, */)
}

/** Throws an AppError when others than its controller could command the agent, or read its token. */
export function refuseExposure(settings: AgentSettings): void {
  const { agent_addr: addr, agent_tls_cert: cert } = settings
  if (!isLoopback(addr) && cert === undefined) {
    throw new AppError(
      'invalid_request',
      `ZEEK_AGENT_ADDR is ${addr}: whoever reaches it could run anything; set ZEEK_AGENT_TLS_CERT, ZEEK_AGENT_TLS_KEY and ZEEK_AGENT_TLS_CA, or a loopback address`
    )
  }
  const controllers = controllersOf(settings)
  const exposed = controllers.find(controller => !isLoopback(hostOf(controller)))
  if (exposed === undefined || settings.agent_tls_by_proxy) return
  if (settings.agent_tls_ca !== undefined || settings.agent_tls_pin !== undefined) return
  throw new AppError(
    'invalid_request',
    `ZEEK_AGENT_CONTROLLER ${controllers.length > 1 ? 'names' : 'is'} ${exposed}: whoever answers there could run anything; set ZEEK_AGENT_TLS_CA or ZEEK_AGENT_TLS_PIN, or ZEEK_AGENT_TLS_BY_PROXY=true where something else encrypts the way`
  )
}
