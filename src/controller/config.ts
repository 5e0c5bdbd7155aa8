import { hostname } from 'node:os'
import { Type, type Static, type TNumber, type TObject, type TOptional } from '@sinclair/typebox'
import { requests, requestTypes, type RequestDefinition, type RequestType } from '../../schemas/api.js'
import { ClusterBackend } from '../../schemas/agent.js'
import { bundleFilesMax } from '../../schemas/bundles.js'
import { DeployStrategy } from '../../schemas/rollouts.js'
import { nameExpected, namePattern } from '../../schemas/types.js'
import { AppError } from '../errors.js'
import { authoritySettings } from './authority-config.js'
import { replicationSettings } from './replica-config.js'
import {
  Count,
  environmentName,
  File,
  ListenAddress,
  ListenPort,
  managementSettings,
  Percent,
  Seconds
} from '../settings.js'
import { defined, isLoopback } from '../util.js'

type Timeouts = {
  [T in RequestType as `controller_timeout_${T}`]: (typeof requests)[T] extends { takes: string }
    ? TOptional<TNumber>
    : TNumber
}

/** A setting that says how deployments go over the nodes. */
const Strategy = (options: { default: DeployStrategy; description: string }) =>
  Type.Unsafe<DeployStrategy>({ type: 'string', enum: DeployStrategy.enum, ...options })

/** The settings for the default timeout of each request type. */
const timeouts = Object.fromEntries(
  requestTypes.map(type => {
    const { timeout, takes, timeoutMax }: RequestDefinition = requests[type]
    const description = `seconds that a ${type} request has`
    const setting =
      takes === undefined
        ? Seconds({ default: timeout, minimum: 0.01, ...defined({ maximum: timeoutMax }), description })
        : Type.Optional(
            Seconds({ minimum: 0.01, description: `${description}; default: what its steps may take: ${takes}` })
          )
    return [`controller_timeout_${type}`, setting]
  })
) as unknown as Timeouts

/** The settings of the controller. */
export const controllerSettings = {
  controller_name: Type.String({
    pattern: namePattern,
    'x-expected': nameExpected,
    default: `controller-${hostname()}`,
    description: 'the name of the controller'
  }),
  controller_addr: ListenAddress({ default: '127.0.0.1', description: 'where it listens for agents' }),
  controller_port: ListenPort({ default: 2150, description: 'where it listens for agents' }),
  controller_websocket_addr: ListenAddress({ default: '127.0.0.1', description: 'where it listens for clients' }),
  controller_websocket_port: ListenPort({
    default: 2149,
    description: 'where it listens for clients: REST, events, WebSocket'
  }),
  controller_authentication: Type.Unsafe<'none' | 'token'>({
    type: 'string',
    enum: ['none', 'token'],
    default: 'none',
    description:
      'none: whoever reaches the controller may do everything; token: only who has a token of the right role (zeek-cluster token)'
  }),
  controller_bootstrap_token_file: File(
    'a file with at least 32 characters that are the token of an admin, from the first start on until it is revoked (its id is bootstrap)'
  ),
  controller_hosts: Type.String({
    default: '',
    description:
      'names, with commas, under which clients reach it, beside localhost, addresses and the names of its certificate'
  }),
  controller_tls_cert: File('the certificate (PEM) that it shows, to clients and agents'),
  controller_tls_key: File('the key (PEM) of that certificate'),
  controller_tls_ca: File(
    'authorities (PEM) of the certificates that clients and agents may show instead of a token, and that agents must show which are dialled'
  ),
  controller_tls_by_proxy: Type.Boolean({
    default: false,
    description:
      'whether a proxy in front speaks TLS with clients and agents, so that other addresses than loopback need none here'
  }),
  ...authoritySettings,
  controller_trusted_proxies: Type.String({
    default: '',
    description: 'addresses and networks, with commas, whose X-Forwarded-For is believed'
  }),
  controller_cluster_backend: {
    ...ClusterBackend,
    default: 'zeromq',
    description: 'zeromq or broker: what carries events between Zeek nodes'
  },
  controller_cluster_encryption: Type.Unsafe<'auto' | 'always' | 'never'>({
    type: 'string',
    enum: ['auto', 'always', 'never'],
    default: 'auto',
    description:
      'whether nodes that use ZeroMQ get keys of CURVE with which they encrypt what they say to each other; auto: when they are on several hosts'
  }),
  controller_metrics_listen: Type.Unsafe<'loopback' | 'host'>({
    type: 'string',
    enum: ['loopback', 'host'],
    default: 'loopback',
    description:
      'where nodes serve their metrics: on loopback, for their agent, through which the controller serves them; or at the address of their host'
  }),
  controller_auto_assign_broker_ports: Type.Boolean({
    default: true,
    description: 'whether managers, loggers and proxies without a port get one'
  }),
  controller_auto_assign_broker_start_port: ListenPort({ default: 2200, description: 'the first of these ports' }),
  controller_auto_assign_metrics_ports: Type.Boolean({
    default: true,
    description: 'whether nodes without a metrics port get one'
  }),
  controller_auto_assign_metrics_start_port: ListenPort({
    default: 9000,
    description: 'the first of these ports, on each host'
  }),
  controller_auto_assign_zeromq_start_port: ListenPort({
    default: 5555,
    description: "the first that is tried for the two of the ZeroMQ proxy, on the manager's host"
  }),
  controller_connect_grace: Seconds({
    default: 5,
    description: 'seconds that a deployment waits for an instance that is not connected'
  }),
  controller_deploy_strategy: Strategy({
    default: 'by_role',
    description:
      'at_once, by_role or rolling: how a deployment goes over the nodes of a cluster that is deployed, unless it says so itself'
  }),
  ...timeouts,
  controller_timeout_max: Seconds({
    default: 3600,
    minimum: 0.01,
    description: 'the largest timeout that a client can ask for'
  }),
  controller_pending_max: Count({ default: 1000, minimum: 1, description: 'requests that may be pending at a time' }),
  controller_pending_per_client: Count({
    default: 100,
    minimum: 1,
    description: 'those of one client (a token, else an address)'
  }),
  controller_requests_rate_max: Count({
    default: 1000,
    description: 'requests of one client (a token, else an address) in a second, twice as many at once; 0: no limit'
  }),
  controller_requests_work_max: Count({
    default: 500,
    description:
      'milliseconds of work that these may take in a second, twice as many at once, where the client may only view; 0: no limit'
  }),
  controller_connections_max: Count({
    default: 12_000,
    minimum: 1,
    description: 'connections at a time, at each of its ports'
  }),
  controller_connections_per_address: Count({
    default: 2_000,
    minimum: 1,
    description: 'those of one address, and requests of one client that wait for their answer; IPv6 counts by /64'
  }),
  controller_session_lifetime: Seconds({
    default: 43_200,
    minimum: 1,
    description: 'seconds that the session of a browser lasts'
  }),
  controller_events_heartbeat: Seconds({
    default: 15,
    minimum: 0.01,
    description: 'seconds between heartbeats of an event stream'
  }),
  controller_events_stall: Seconds({
    default: 30,
    minimum: 0.01,
    description: 'seconds that a reader of an event stream may stall'
  }),
  controller_events_streams_max: Count({ default: 10_000, minimum: 1, description: 'event streams at a time' }),
  controller_events_streams_per_client: Count({
    default: 200,
    minimum: 1,
    description: 'those of one client (a token, else an address)'
  }),
  controller_events_max_count: Count({ default: 100_000, minimum: 1, description: 'events that are kept' }),
  controller_events_max_age: Seconds({
    default: 604_800,
    maximum: 315_360_000,
    description: 'seconds that events and finished requests are kept'
  }),
  controller_events_max_bytes: Count({
    default: 268_435_456,
    description: 'bytes of events that are kept; of requests that only read, a quarter'
  }),
  controller_events_max_reads: Count({
    default: 5_000,
    description: 'events that are kept of requests that only read'
  }),
  controller_audit_max_count: Count({
    default: 100_000,
    minimum: 1,
    description: 'entries of the audit log that are kept of what changes something, or reads a whole configuration'
  }),
  controller_audit_max_bytes: Count({
    default: 67_108_864,
    description: 'bytes of these entries that are kept; of each other kind, a quarter'
  }),
  controller_audit_max_others: Count({
    default: 20_000,
    description:
      "entries of the audit log that are kept of each other kind: requests that change nothing, refusals, logins, agents' connections, notifications"
  }),
  controller_audit_max_age: Seconds({
    default: 31_536_000,
    maximum: 315_360_000,
    description: 'seconds that entries of the audit log are kept'
  }),
  controller_requests_max_count: Count({
    default: 10_000,
    minimum: 1,
    description:
      'finished requests that are kept; of those that only ask agents, a tenth (what the controller answers itself goes with its events)'
  }),
  controller_health_interval: Seconds({
    default: 1,
    description:
      "seconds between looks at the cluster's health; 0: it is looked at only when someone asks, and there are no notify_health events"
  }),
  controller_health_workers_missing_max: Count({
    default: 0,
    description: 'workers that may be missing while the cluster counts as ready'
  }),
  controller_health_drop_max: Percent({ default: 1, description: 'percent of its packets that a worker may drop' }),
  controller_health_idle_max: Seconds({
    default: 60,
    description: 'seconds that a worker may receive no packet; 0: any'
  }),
  controller_health_split_max: Seconds({
    default: 30,
    description: 'seconds that a node and a manager which both run may not see each other; 0: any'
  }),
  controller_health_logs_idle_max: Seconds({
    default: 600,
    description: 'seconds that no log of a node that writes logs may grow while workers receive packets; 0: any'
  }),
  controller_health_duplicates_allowed: Type.Boolean({
    default: false,
    description: 'whether all workers of an interface may count the same packets'
  }),
  controller_health_imbalance_max: Type.Number({
    default: 5,
    minimum: 0,
    description:
      "times the median of its interface's workers, of at least three, at which a worker receives too many packets; 0: any"
  }),
  controller_health_free_min: Percent({
    default: 5,
    description: 'percent that must be free of each file system that holds state, spool or logs'
  }),
  controller_health_archive_age_max: Seconds({
    default: 7200,
    description: 'seconds that a rotated log may wait to be archived; 0: any'
  }),
  controller_notify_failing_max: Seconds({
    default: 900,
    description: 'seconds that a sink of notifications may take none of those it is sent; 0: any'
  }),
  controller_notify: File(
    'a YAML or JSON file that says what operators are told of, and how: by webhook, mail or command'
  ),
  controller_body_limit: Count({
    default: 8_388_608,
    minimum: 1024,
    description: 'bytes that the body of a request, or a message on a WebSocket, may have'
  }),
  controller_bundle_max_bytes: Count({
    default: 268_435_456,
    minimum: 1024,
    description: 'bytes that all files of a bundle may have together'
  }),
  controller_bundle_max_files: Count({
    default: 20_000,
    minimum: 1,
    maximum: bundleFilesMax,
    description: 'files that a bundle may have'
  }),
  controller_bundle_max_age: Seconds({
    default: 2_592_000,
    minimum: 0,
    maximum: 315_360_000,
    description:
      'seconds that a bundle is kept that has no name, and that no configuration or revision has named; 0: until it is deleted'
  }),
  controller_revisions_max: Count({
    default: 100,
    minimum: 2,
    maximum: 100_000,
    description: 'revisions that are kept: deployments that can be deployed again, with their bundles'
  }),
  controller_revisions_max_age: Seconds({
    default: 0,
    minimum: 0,
    maximum: 315_360_000,
    description:
      'seconds that a revision is kept; the deployed one, the one before it and the last good one are, however old; 0: only their number counts'
  }),
  controller_good_after: Seconds({
    default: 300,
    description:
      'seconds that the cluster must be healthy without a break, as this controller sees it, until the deployed revision counts as good; looked at every controller_health_interval'
  }),
  controller_messages_timeout_max: Seconds({
    default: 18,
    minimum: 0.01,
    description: 'seconds that a request that comes over a WebSocket has at most: zeek-client waits 20'
  }),
  controller_messages_check: Type.Boolean({
    default: false,
    description: 'whether deployments that come over a WebSocket are checked first: zeek-client knows nothing of it'
  }),
  controller_messages_strategy: Strategy({
    default: 'at_once',
    description: 'the same for those that come over a WebSocket: zeek-client waits 20 seconds'
  }),
  controller_messages_connections_max: Count({
    default: 100,
    minimum: 1,
    description: 'clients on WebSockets at a time'
  }),
  controller_messages_connections_per_client: Count({
    default: 20,
    minimum: 1,
    description: 'those of one client (a token, else an address)'
  }),
  controller_messages_idle: Seconds({
    default: 3600,
    description:
      'seconds after which one that says nothing is closed; pings count, what answers ours does not; 0: never'
  }),
  controller_messages_unanswered_max: Count({
    default: 256,
    minimum: 1,
    description: 'messages of one such client that may wait for their answer; with more it is cut off'
  }),
  controller_messages_backlog_max: Count({
    default: 16_777_216,
    minimum: 1024,
    description: 'bytes that may wait for one such client to read them; with more it is cut off'
  }),
  ...replicationSettings
}

export type ControllerSettings = Static<TObject<typeof managementSettings & typeof controllerSettings>>

/**
 * Returns the ports that no node of any instance may have: those that the controller listens on, and 2150, Zeek's
 * default.
 */
export function controllerPorts(settings: ControllerSettings): number[] {
  return [...new Set([settings.controller_port, settings.controller_websocket_port, 2150])]
}

/** Throws an AppError when other hosts could get in without authentication, or eavesdrop. */
export function refuseExposure(settings: ControllerSettings): void {
  for (const key of ['controller_websocket_addr', 'controller_addr'] as const) {
    if (isLoopback(settings[key])) continue
    const where = `${environmentName(key)} is ${settings[key]}`
    if (settings.controller_authentication === 'none') {
      throw new AppError(
        'invalid_request',
        `${where}: whoever reaches it could do everything; set ZEEK_CONTROLLER_AUTHENTICATION=token, or a loopback address`
      )
    }
    if (settings.controller_tls_cert === undefined && !settings.controller_tls_by_proxy) {
      throw new AppError(
        'invalid_request',
        `${where}: tokens could be read on their way; set ZEEK_CONTROLLER_TLS_CERT and ZEEK_CONTROLLER_TLS_KEY, or ZEEK_CONTROLLER_TLS_BY_PROXY=true where a proxy speaks TLS`
      )
    }
  }
}
