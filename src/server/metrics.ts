import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { ClusterRequest, InstanceNode } from '../../schemas/api.js'
import { healthCodes, type ArchiveStatus } from '../../schemas/operations.js'
import type { Hub } from '../events/hub.js'
import type { Group } from '../replication/group.js'
import type { EventLog } from '../store/events.js'
import type { Notifier } from '../notify/notifier.js'
import type { Store } from '../store/store.js'
import type { Access } from './access/access.js'
import type { Controller } from '../controller/controller.js'
import type { Health } from '../controller/cluster/health.js'

export interface Observed {
  controller: Controller
  health: Pick<Health, 'now' | 'reports'>
  messages: { size: number }
  access: Pick<Access, 'limits' | 'certificates'>
  store: Pick<Store, 'failure'>
  log: Pick<EventLog, 'head' | 'kept' | 'oldest'>
  hub: Hub
  notifier: Pick<Notifier, 'counts'>
  group: Pick<Group, 'leads' | 'position' | 'lagMs' | 'diverged'> | undefined
}

/** Returns a function that makes something once in a turn of the event loop: several metrics are made of it. */
function onceInATurn<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    if (!made) {
      made = { value: make() }
      setImmediate(() => {
        made = undefined
      })
    }
    return made.value
  }
}

/** The controller's own metrics for Prometheus. Times are in seconds. */
export class Metrics {
  readonly registry = new Registry()
  #durations: Histogram
  #commits: Histogram
  #writes: Counter

  constructor() {
    const registers = [this.registry]
    // They include the delay of the event loop: how long everything else waits for the work in progress.
    collectDefaultMetrics({ register: this.registry })
    this.#durations = new Histogram({
      name: 'zeek_cluster_request_duration_seconds',
      help: 'From a request to its response, by type and outcome',
      labelNames: ['type', 'state'],
      buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 120],
      registers
    })
    this.#commits = new Histogram({
      name: 'zeek_cluster_store_commit_duration_seconds',
      help: 'How long commits take, with what is written in them',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
      registers
    })
    this.#writes = new Counter({
      name: 'zeek_cluster_store_writes_total',
      help: 'What was written: several writes share a commit',
      registers
    })
  }

  /** Registers the metrics that are read at each scrape. */
  observe({
    controller,
    health,
    messages,
    access: { limits, certificates },
    store,
    log,
    hub,
    notifier,
    group
  }: Observed): void {
    const registers = [this.registry]
    // Of several controllers the one that leads knows of the cluster; the others have no values, not wrong ones.
    const leads = () => group?.leads ?? true
    const nodes = onceInATurn(() =>
      leads() ? controller.nodes().filter(({ mgmt_role: role }) => role === 'NODE') : []
    )
    const healthNow = onceInATurn(() => (leads() ? health.now : undefined))
    const gauge = (name: string, help: string, read: () => number | undefined) =>
      new Gauge({
        name: `zeek_cluster_${name}`,
        help,
        registers,
        collect() {
          this.set(read() ?? NaN)
        }
      })
    const counter = (name: string, help: string, read: () => number) =>
      new Counter({
        name: `zeek_cluster_${name}_total`,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(read())
        }
      })
    gauge('agents_connected', 'Agents that are connected', () =>
      leads() ? controller.instances().filter(({ connected }) => connected).length : undefined
    )
    gauge('requests_pending', 'Requests without a response yet', () => controller.pendingRequests)
    gauge('websocket_clients', 'Clients of the WebSocket API', () => messages.size)
    gauge('event_streams', 'Open event streams', () => hub.size)
    gauge('event_streams_blocked', 'Event streams whose reader has no room for more at the moment', () => hub.blocked)
    counter('event_streams_stalled', 'Event streams that were cut off because their reader stalled', () => hub.stalled)
    counter('events_delivered', 'Events that were sent, on all streams', () => hub.delivered)
    counter('event_stream_bytes', 'Bytes that were sent on event streams', () => hub.bytes)
    counter('events', 'Events that have been written, ever', () => log.head)
    gauge('events_kept', 'Events that are kept', () => log.kept.count)
    gauge('events_kept_bytes', 'Bytes of the events that are kept', () => log.kept.bytes)
    gauge(
      'events_oldest_timestamp_seconds',
      'When the oldest event that is kept has happened, in seconds since 1970',
      () => (log.oldest === undefined ? undefined : log.oldest / 1000)
    )
    gauge('store_failing', 'Whether the store cannot be written: 1 if so', () => Number(store.failure !== undefined))
    gauge('ready', 'Whether the cluster does its work, as GET /v1/health says: 1 if so', () => {
      const now = healthNow()
      return now && Number(now.ready)
    })
    if (group) {
      gauge('replica_leads', 'Whether this one of several controllers leads: 1 if so', () => Number(group.leads))
      gauge('replica_term', 'Term of the leader whose last frame this controller has', () => group.position.term)
      gauge('replica_place', 'Until which place of the log this controller has everything', () => group.position.place)
      gauge(
        'replica_lag_seconds',
        'How long ago this controller was known to have all that the leader had',
        () => group.lagMs / 1000
      )
      gauge('replica_diverged', 'Whether this controller cannot go on with the log: 1 if so', () =>
        Number(group.diverged !== undefined)
      )
    }
    if (certificates) {
      gauge(
        'certificate_expires_seconds',
        'When the certificate expires, in seconds since 1970',
        () => (certificates.expires ?? 0) / 1000
      )
    }
    const refused = new Counter({
      name: 'zeek_cluster_refused_total',
      help: 'Requests, event streams and connections that were refused because there were too many',
      labelNames: ['limit'],
      registers,
      collect() {
        refused.reset()
        for (const [limit, count] of Object.entries({ ...limits.refused, pending: controller.refusedRequests })) {
          refused.inc({ limit }, count)
        }
      }
    })
    this.#ofSinks(notifier)
    this.#ofInstances(health)
    const states = new Gauge({
      name: 'zeek_cluster_nodes',
      help: 'Zeek nodes by state',
      labelNames: ['state'],
      registers,
      collect() {
        states.reset()
        for (const { state } of nodes()) states.inc({ state })
      }
    })
    this.#ofNodes(nodes)
    const reasons = new Gauge({
      name: 'zeek_cluster_health_reasons',
      help: 'Why the cluster does not do its work, as GET /v1/health says: how many reasons of each code',
      labelNames: ['code'],
      registers,
      collect() {
        reasons.reset()
        const now = healthNow()
        if (!now) return
        for (const code of healthCodes) reasons.set({ code }, 0)
        for (const { code } of now.reasons) reasons.inc({ code })
      }
    })
  }

  /** Registers metrics of nodes; without values for a node whose agent is lost, or that has not answered yet. */
  #ofNodes(nodes: () => readonly InstanceNode[]): void {
    const each = (name: string, help: string, read: (status: InstanceNode) => number | undefined) => {
      const gauge = new Gauge({
        name: `zeek_cluster_${name}`,
        help,
        labelNames: ['instance', 'node'],
        registers: [this.registry],
        collect() {
          gauge.reset()
          for (const status of nodes()) {
            const value = read(status)
            if (value !== undefined) gauge.set({ instance: status.instance, node: status.node }, value)
          }
        }
      })
    }
    const responding = 'Whether a node answers its agent: 0 when it runs and has said nothing for long'
    each('node_responding', responding, status =>
      status.responding === undefined ? undefined : Number(status.responding)
    )
    each(
      'node_restarts',
      'How often a node was started again after an exit, since it was started on purpose',
      ({ restarts }) => restarts
    )
  }

  #ofSinks(notifier: Observed['notifier']): void {
    const attempts = new Counter({
      name: 'zeek_cluster_notifications_total',
      help: 'Notifications that a sink has taken (delivered) or that were given up, and attempts that have failed',
      labelNames: ['sink', 'outcome'],
      registers: [this.registry],
      collect() {
        attempts.reset()
        for (const { sink, delivered, failed, given_up: givenUp } of notifier.counts) {
          attempts.inc({ sink, outcome: 'delivered' }, delivered)
          attempts.inc({ sink, outcome: 'failed' }, failed)
          attempts.inc({ sink, outcome: 'given_up' }, givenUp)
        }
      }
    })
    const waiting = new Gauge({
      name: 'zeek_cluster_notifications_waiting',
      help: 'What is yet to be told to a sink: events, and reasons in them',
      labelNames: ['sink'],
      registers: [this.registry],
      collect() {
        waiting.reset()
        for (const { sink, waiting: count } of notifier.counts) waiting.set({ sink }, count)
      }
    })
  }

  #ofInstances(health: Pick<Health, 'reports'>): void {
    const each = (name: string, help: string, read: (archive: ArchiveStatus) => number) => {
      const gauge = new Gauge({
        name: `zeek_cluster_${name}`,
        help,
        labelNames: ['instance'],
        registers: [this.registry],
        collect() {
          gauge.reset()
          for (const [instance, { archive }] of health.reports) if (archive) gauge.set({ instance }, read(archive))
        }
      })
    }
    each('log_queue_files', 'Rotated logs that wait to be archived', ({ files }) => files)
    each('log_queue_bytes', 'Bytes of the logs that wait to be archived', ({ bytes }) => bytes)
    each('log_queue_oldest_seconds', 'How long the oldest log has waited to be archived', ({ oldest = 0 }) => oldest)
    each('archive_failures', 'Attempts to archive logs that have failed, in a row', ({ failures }) => failures)
    const free = new Gauge({
      name: 'zeek_cluster_file_system_free_ratio',
      help: 'The part that is free of a file system that holds state, spool or logs',
      labelNames: ['instance', 'path'],
      registers: [this.registry],
      collect() {
        free.reset()
        for (const [instance, { file_systems: all }] of health.reports) {
          for (const { path, free_bytes: left, size_bytes: size } of all) {
            free.set({ instance, path }, size === 0 ? 0 : left / size)
          }
        }
      }
    })
  }

  finished({ type, state, created_at: created, finished_at: finished }: ClusterRequest): void {
    if (finished !== undefined) {
      this.#durations.observe({ type, state }, (Date.parse(finished) - Date.parse(created)) / 1000)
    }
  }

  committed(seconds: number, writes: number): void {
    this.#commits.observe(seconds)
    this.#writes.inc(writes)
  }
}
