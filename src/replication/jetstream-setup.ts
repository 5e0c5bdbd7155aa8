import { randomUUID } from 'node:crypto'
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  PersistMode,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig
} from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Objm } from '@nats-io/obj'
import { messageOf } from '../errors.js'
import { requestMs, unavailable, unfit, wrong, type Connection } from './jetstream-connection.js'

/** Of a replicated log: how many servers keep it. */
const defaultServers = 3

/** The smallest limit of messages that parts of frames fit into, with what is around them. */
const minPayload = 1_000_000

/** The oldest version of which no lost writes are known with `sync_interval: always`. */
const minVersion = [2, 12, 3] as const

/** Names of all that there is in NATS for the replicas of one name. */
export interface Names {
  stream: string
  subject: string
  peers: string
  lease: string
  files: string
  /** The streams that the two buckets are. */
  leaseStream: string
  filesStream: string
}

/** Returns what is named how. Throws AppError if the name is none for NATS. */
export function namesOf(name: string): Names {
  if (!/^[-\w]{1,64}$/.test(name)) throw wrong(`"${name}" is not a name: letters, digits, "_" and "-" are`)
  const all = `zeek-${name}`
  const [lease, files] = [`${all}-lease`, `${all}-files`]
  return {
    stream: all,
    subject: `${all}.log`,
    peers: `${all}.replicas`,
    lease,
    files,
    leaseStream: `KV_${lease}`,
    filesStream: `OBJ_${files}`
  }
}

export interface LogMetadata {
  identity: string
  /** Sorted. */
  replicas: string[]
}

/** Returns the configuration of a stream that exists. */
async function configOf(manager: JetStreamManager, stream: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(stream)).config
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined
    throw unavailable(`JetStream does not answer: ${messageOf(error)}`, error)
  }
}

export interface CreateOptions {
  /** Names of the controllers. */
  replicas: readonly string[]
  /** How many servers keep it. Default: 3. */
  servers?: number
  /** How large the log may become, in bytes. Then nothing more is written to it. Default: as large as the disks. */
  maxBytes?: number
}

/**
 * Makes the log, the lease and the store of files. Returns the identity of the log. Throws AppError `conflict` when one
 * of them exists.
 */
export async function create(
  { manager, jetstream }: Connection,
  names: Names,
  { replicas, servers = defaultServers, maxBytes = -1 }: CreateOptions
): Promise<string> {
  for (const stream of [names.stream, names.leaseStream, names.filesStream]) {
    if (await configOf(manager, stream)) throw unfit(`there is a stream ${stream} already`)
  }
  const identity = randomUUID()
  const sorted = [...new Set(replicas)].sort()
  const made: string[] = []
  try {
    // First: of two that do this at a time, one gets no further.
    await manager.streams.add({
      name: names.stream,
      subjects: [names.subject],
      storage: StorageType.File,
      num_replicas: servers,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      max_bytes: maxBytes,
      max_msg_size: minPayload,
      // Readers take a gap for what was trimmed.
      deny_delete: true,
      allow_direct: false,
      metadata: { identity, replicas: sorted.join(',') }
    })
    made.push(names.stream)
    await new Kvm(jetstream).create(names.lease, { replicas: servers, history: 1, allow_direct: false })
    made.push(names.leaseStream)
    await new Objm(jetstream).create(names.files, { replicas: servers, storage: StorageType.File })
  } catch (error) {
    for (const stream of made) await manager.streams.delete(stream).catch(() => {})
    throw unavailable(`cannot make the log: ${messageOf(error)}`, error)
  }
  return identity
}

export interface Demands {
  self: string
  /** How many servers must keep it, at least. Default: 3. */
  copies?: number
}

/** Deletes what `create` has made, as far as it is there. */
export async function destroy({ manager }: Connection, names: Names): Promise<void> {
  for (const stream of [names.filesStream, names.leaseStream, names.stream]) {
    if (await configOf(manager, stream)) await manager.streams.delete(stream)
  }
}

/**
 * Checks what is demanded of the servers and of what `create` has made. Throws AppError: `conflict` for what must be
 * another way, `unavailable` where it cannot be told now.
 */
export async function check(
  { nats, manager }: Connection,
  names: Names,
  { self, copies = defaultServers }: Demands
): Promise<LogMetadata> {
  const info = nats.info
  if (!info) throw unavailable('the connection was lost')
  const fault = faultOfServer(info)
  if (fault !== undefined) throw unfit(`the server ${info.server_name} ${fault}`)
  const configs = []
  for (const stream of [names.stream, names.leaseStream, names.filesStream]) {
    const config = await configOf(manager, stream)
    if (!config) throw unfit(`there is no stream ${stream}: "zeek-cluster replication init" makes it`)
    const fault = faultOfStream(config, copies)
    if (fault !== undefined) throw unfit(`the stream ${stream} ${fault}`)
    configs.push(config)
  }
  const fate = faultOfLog(configs[0]!)
  if (fate !== undefined) throw unfit(`the stream ${names.stream} ${fate}`)
  const { identity, replicas } = metadataOf(configs[0]!)
  if (identity === undefined || replicas === undefined) {
    throw unfit(`the stream ${names.stream} was not made by "zeek-cluster replication init"`)
  }
  if (!replicas.includes(self)) {
    throw unfit(`"${self}" is none of the replicas of ${names.stream}: ${replicas.join(', ')}`)
  }
  return { identity, replicas }
}

/** Returns what `create` has written down in a stream. */
export function metadataOf({ metadata = {} }: StreamConfig): Partial<LogMetadata> {
  const { identity, replicas } = metadata
  return { identity, replicas: replicas?.split(',') }
}

function faultOfServer({ version, max_payload: maxPayload }: { version: string; max_payload: number }) {
  const numbers = version.split(/[.-]/).map(Number)
  const differs = minVersion.findIndex((least, index) => least !== numbers[index])
  if (differs >= 0 && !(numbers[differs]! > minVersion[differs]!)) {
    return `has version ${version}: ${minVersion.join('.')} at least is needed`
  }
  if (maxPayload < minPayload) return `has max_payload ${maxPayload}: ${minPayload} at least is needed`
  return undefined
}

function faultOfStream(config: StreamConfig, copies: number): string | undefined {
  if (config.num_replicas < copies) return `is kept by ${config.num_replicas} servers: ${copies} at least are needed`
  if (config.storage !== StorageType.File) return 'is not stored in files'
  if (config.persist_mode === PersistMode.Async) return 'is written after it is acknowledged (persist_mode: async)'
  if (config.mirror !== undefined || (config.sources?.length ?? 0) > 0) return 'copies other streams'
  return undefined
}

function faultOfLog(config: StreamConfig): string | undefined {
  if (config.discard !== DiscardPolicy.New) return 'drops the oldest when it is full: it needs discard: new'
  if (config.retention !== RetentionPolicy.Limits) return `has retention ${config.retention}, not limits`
  const limits = [config.max_age, config.max_msgs, config.max_msgs_per_subject]
  if (limits.some(limit => limit > 0)) return 'drops what is old: it needs no limit but max_bytes'
  return undefined
}

/**
 * Returns whether the server with a monitor at a URL writes everything to disk before it acknowledges it; undefined
 * when nobody can tell.
 */
export async function syncsAlways(monitor: string): Promise<boolean | undefined> {
  try {
    const response = await fetch(new URL('/varz', monitor), { signal: AbortSignal.timeout(requestMs) })
    const { jetstream } = (await response.json()) as { jetstream?: { config?: { sync_always?: boolean } } }
    // The member is left out where it is false.
    return jetstream?.config && jetstream.config.sync_always === true
  } catch {
    return undefined
  }
}
