import type { ClusterRequest, InstanceNode, InstanceStatus, PrometheusTarget } from '../../schemas/api.js'
import type { ControlEvent } from '../../schemas/events.js'
import type { ElasticGroupStatus } from '../../schemas/groups.js'
import type { Start } from '../events/hub.js'
import type { EventHistory } from '../requests/event-history.js'
import { noRequest } from '../requests/requests.js'
import type { Scope } from '../requests/scope.js'
import type { Sight } from '../requests/sight.js'
import type { RequestFilter } from '../store/requests.js'
import type { ClusterHealth } from './cluster/health.js'
import { pageOf, type NodeFilter } from './cluster/node-list.js'
import type { Reached } from './cluster/prometheus.js'
import type { Controller } from './controller.js'

/**
 * What a caller sees of the controller: everything, or what its labels limit it to, as if nothing else were there. What
 * is told to clients is asked here, and not of the controller itself.
 */
export class Seen {
  #controller: Controller
  #scope: Scope
  /** How events and requests are seen; undefined for a caller who sees everything. */
  readonly sight: Sight | undefined

  constructor(controller: Controller, scope: Scope, sight: Sight | undefined) {
    this.#controller = controller
    this.#scope = scope
    this.sight = sight
  }

  instances(): InstanceStatus[] {
    return this.#controller.instances().filter(({ name }) => this.#scope.hasInstance(name))
  }

  nodes(): InstanceNode[] {
    return this.#in(this.#controller.nodes())
  }

  listNodes(filter: NodeFilter): { nodes: InstanceNode[]; next?: string } {
    return pageOf(this.nodes(), filter)
  }

  elasticGroups(): ElasticGroupStatus[] {
    return this.#in(this.#controller.elasticGroups())
  }

  get health(): ClusterHealth {
    const { health } = this.#controller
    if (!this.sight) return health
    const reasons = this.sight.reasons(health.reasons)
    return { ready: reasons.length === 0, reasons }
  }

  /** As the controller's own. */
  metricsTargets(reached: Reached, proxy?: boolean): PrometheusTarget[] {
    return this.#controller
      .metricsTargets(reached, proxy)
      .filter(({ labels }) => this.#scope.hasInstance(labels.instance))
  }

  /** As the controller's own. */
  async nodeMetrics(node: string): Promise<{ text: string; type: string }> {
    const { text, type } = await this.#controller.nodeMetrics(node, this.#scope.narrowed(this.#controller.deployed()))
    return { text: this.#scope.hidingOthers(text), type }
  }

  /** Returns a request as it is seen. Throws `not_found`. */
  request(request: ClusterRequest): ClusterRequest {
    if (!this.sight) return request
    const seen = this.sight.request(request)
    if (!seen) throw noRequest(request.reqid)
    return seen
  }

  /** As the controller's own. */
  getRequest(reqid: string): ClusterRequest {
    return this.request(this.#controller.getRequest(reqid))
  }

  /** As the controller's own. */
  async waitForRequest(reqid: string, seconds: number, ...signals: readonly AbortSignal[]): Promise<ClusterRequest> {
    this.getRequest(reqid)
    return this.request(await this.#controller.waitForRequest(reqid, seconds, ...signals))
  }

  /** As the controller's own. */
  listRequests(filter: RequestFilter, maxResults?: number): { requests: ClusterRequest[]; next?: string } {
    const { sight } = this
    return this.#controller.listRequests(filter, maxResults, sight && (request => sight.request(request)))
  }

  /** As the controller's own. */
  startOfRequest(reqid: string, cursor?: string): Start | undefined {
    this.getRequest(reqid)
    return this.#controller.startOfRequest(reqid, cursor)
  }

  /** As that of the event log. */
  history(...[options, most]: Parameters<EventHistory['page']>): ReturnType<EventHistory['page']> {
    return this.#controller.history.page({ ...options, lens: this.sight }, most)
  }

  /** Returns the current state as events. Events after `cursor` on the event stream are not in it. */
  snapshot(): ControlEvent[] {
    const { cursor } = this.#controller
    const deployed = this.#scope.narrowed(this.#controller.deployed())
    const configuration = deployed && {
      state: 'deployed' as const,
      configuration: this.#scope.hidingOthers(this.#controller.withoutSecrets(deployed)),
      event_cursor: cursor
    }
    // No limit is needed: the settings limit how many may be pending.
    const { requests } = this.listRequests({ state: 'pending', limit: Number.MAX_SAFE_INTEGER })
    return [
      { type: 'snapshot', instances: this.instances() },
      ...(configuration ? [{ type: 'snapshot' as const, configuration }] : []),
      { type: 'snapshot', nodes: this.nodes() },
      { type: 'snapshot', requests },
      { type: 'snapshot-end', cursor }
    ]
  }

  #in<T extends { instance: string }>(all: readonly T[]): T[] {
    if (!this.sight) return [...all]
    return all.filter(({ instance }) => this.#scope.hasInstance(instance)).map(one => this.#scope.hidingOthers(one))
  }
}
