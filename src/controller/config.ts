import { hostname } from 'node:os'
import { Type, type Static, type TObject } from '@sinclair/typebox'
import { requests, requestTypes, type RequestType } from '../../schemas/api.js'
import { ClusterBackend } from '../../schemas/agent.js'
import { namePattern } from '../../schemas/types.js'
import { Count, ListenAddress, ListenPort, managementSettings, Seconds } from '../settings.js'

/** The default deadline of each request type, a setting of its own. */
const timeouts = Object.fromEntries(requestTypes.map(type => [
  `controller_timeout_${type}`,
  Seconds({ default: requests[type].timeout, minimum: 0.01, description: `seconds that a ${type} request has` })
])) as Record<`controller_timeout_${RequestType}`, ReturnType<typeof Seconds>>

/** The settings of the controller. */
export const controllerSettings = {
  controller_name: Type.String({ pattern: namePattern, default: `controller-${hostname()}`, description: 'the name of the controller' }),
  controller_addr: ListenAddress({ default: '127.0.0.1', description: 'where it listens for agents' }),
  controller_port: ListenPort({ default: 2150, description: 'where it listens for agents' }),
  controller_websocket_addr: ListenAddress({ default: '127.0.0.1', description: 'where it listens for clients' }),
  controller_websocket_port: ListenPort({ default: 2149, description: 'where it listens for clients: REST, events, WebSocket' }),
  controller_authentication: Type.Unsafe<'none' | 'token'>({ type: 'string', enum: ['none', 'token'], default: 'none', description: 'none: whoever reaches the controller may do everything; token: only who has a token of the right role (zeek-cluster token)' }),
  controller_cluster_backend: { ...ClusterBackend, default: 'zeromq', description: 'zeromq or broker: what carries events between Zeek nodes' },
  controller_auto_assign_broker_ports: Type.Boolean({ default: true, description: 'whether managers, loggers and proxies without a port get one' }),
  controller_auto_assign_broker_start_port: ListenPort({ default: 2200, description: 'the first of these ports' }),
  controller_auto_assign_metrics_ports: Type.Boolean({ default: true, description: 'whether nodes without a metrics port get one' }),
  controller_auto_assign_metrics_start_port: ListenPort({ default: 9000, description: 'the first of these ports, on each host' }),
  controller_auto_assign_zeromq_start_port: ListenPort({ default: 5555, description: 'the first that is tried for the two of the ZeroMQ proxy, on the manager\'s host' }),
  controller_auto_assign_agent_start_port: ListenPort({ default: 27800, description: 'the first of the ports at which nodes serve their agent, on 127.0.0.1 of each machine' }),
  controller_connect_grace: Seconds({ default: 5, description: 'seconds that a deployment waits for an instance that is not connected' }),
  ...timeouts,
  controller_timeout_max: Seconds({ default: 3600, minimum: 0.01, description: 'the largest timeout that a client can ask for' }),
  controller_pending_max: Count({ default: 1000, minimum: 1, description: 'requests that may be pending at a time' }),
  controller_events_heartbeat: Seconds({ default: 15, minimum: 0.01, description: 'seconds between heartbeats of an event stream' }),
  controller_events_stall: Seconds({ default: 30, minimum: 0.01, description: 'seconds that a reader of an event stream may stall' }),
  controller_events_streams_max: Count({ default: 10_000, minimum: 1, description: 'event streams at a time' }),
  controller_events_max_count: Count({ default: 100_000, minimum: 1, description: 'events that are kept' }),
  controller_events_max_age: Seconds({ default: 604_800, maximum: 315_360_000, description: 'seconds that events and finished requests are kept' }),
  controller_events_max_bytes: Count({ default: 268_435_456, description: 'bytes of events that are kept' }),
  controller_events_max_reads: Count({ default: 5_000, description: 'events that are kept of requests that only read' }),
  controller_requests_max_count: Count({ default: 10_000, minimum: 1, description: 'finished requests that are kept; of those that only read, a tenth' }),
  controller_body_limit: Count({ default: 8_388_608, minimum: 1024, description: 'bytes that the body of a request, or a message on a WebSocket, may have' }),
  controller_messages_timeout_max: Seconds({ default: 18, minimum: 0.01, description: 'seconds that a request that comes over a WebSocket has at most: zeek-client waits 20' }),
  controller_messages_connections_max: Count({ default: 100, minimum: 1, description: 'clients on WebSockets at a time' }),
  controller_messages_unanswered_max: Count({ default: 256, minimum: 1, description: 'messages of one such client that may wait for their answer; with more it is cut off' }),
  controller_messages_backlog_max: Count({ default: 16_777_216, minimum: 1024, description: 'bytes that may wait for one such client to read them; with more it is cut off' })
}

export type ControllerSettings = Static<TObject<typeof managementSettings & typeof controllerSettings>>

/** The ports that no node of any instance may have: every one that a controller listens on, and 2150, Zeek's default. */
export function controllerPorts (settings: ControllerSettings): number[] {
  return [...new Set([settings.controller_port, settings.controller_websocket_port, 2150])]
}
