import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Request } from '../../schemas/api.js'
import type { Access } from './access.js'
import type { Controller } from './controller.js'

/** What the controller tells Prometheus of itself. */
export class Metrics {
  readonly registry = new Registry()
  #durations: Histogram

  constructor () {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.#durations = new Histogram({
      name: 'zeek_cluster_request_duration_seconds',
      help: 'From a request to its response, by type and outcome',
      labelNames: ['type', 'state'],
      buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 120],
      registers
    })
  }

  /** What is read off the controller at each scrape. */
  observe (controller: Controller, messages: { size: number }, { limits, certificates }: Pick<Access, 'limits' | 'certificates'>): void {
    const gauge = (name: string, help: string, read: () => number) => new Gauge({
      name: `zeek_cluster_${name}`, help, registers: [this.registry], collect () { this.set(read()) }
    })
    gauge('agents_connected', 'Agents that are connected', () => controller.instances().filter(({ connected }) => connected).length)
    gauge('requests_pending', 'Requests without a response yet', () => controller.pendingRequests)
    gauge('event_streams', 'Open event streams', () => controller.hub.size)
    gauge('event_streams_stalled', 'Event streams that were cut off because their reader stalled', () => controller.hub.stalled)
    gauge('websocket_clients', 'Clients of the WebSocket API', () => messages.size)
    gauge('events', 'Events that have been written, ever', () => Number(controller.cursor.split('.')[1]))
    if (certificates) gauge('certificate_expires_seconds', 'When the certificate expires, in seconds since 1970', () => (certificates.expires ?? 0) / 1000)
    const refused = new Gauge({
      name: 'zeek_cluster_refused',
      help: 'Requests, event streams and connections that were refused because a client had too many',
      labelNames: ['limit'],
      registers: [this.registry],
      collect () { for (const [limit, count] of Object.entries(limits.refused)) refused.set({ limit }, count) }
    })
    const nodes = new Gauge({
      name: 'zeek_cluster_nodes',
      help: 'Zeek nodes by state',
      labelNames: ['state'],
      registers: [this.registry],
      collect () {
        nodes.reset()
        for (const { state, mgmt_role: role } of controller.nodes()) if (role === 'NODE') nodes.inc({ state })
      }
    })
  }

  finished ({ type, state, created_at: created, finished_at: finished }: Request): void {
    if (finished !== undefined) this.#durations.observe({ type, state }, (Date.parse(finished) - Date.parse(created)) / 1000)
  }
}
