import {
  requests as definitions,
  type ClusterRequest,
  type RequestArguments,
  type RequestDefinition
} from '../../schemas/api.js'
import type { DomainEvent, LoggedEvent } from '../../schemas/events.js'
import type { HealthReason } from '../../schemas/operations.js'
import type { ResultWithoutReqid } from '../../schemas/types.js'
import type { Lens } from '../events/filter.js'
import { defined } from '../util.js'
import { keyOf, type Scope } from './scope.js'

/** What a request is about: enough to decide who sees it. */
type Asked = Pick<ClusterRequest, 'type' | 'arguments' | 'results' | 'limited_to'>

/** What is said of the workers that do not run, where the figures would tell of others. */
const someMissing = 'workers do not run'

/** How one whose scope is limited sees requests, events and health; who sees everything needs none. */
export class Sight implements Lens {
  readonly key: string
  #scope: Scope
  #find: (reqid: string) => Asked | undefined

  /** `find` returns a request that is kept. */
  constructor(scope: Scope, find: (reqid: string) => Asked | undefined) {
    this.key = scope.key
    this.#scope = scope
    this.#find = find
  }

  /**
   * Returns a request with what it says of instances that are seen; undefined for one that is not seen. Seen are those
   * that were made in the same scope, and those that name, or have a result of, what is seen.
   */
  request<R extends Asked>(request: R): R | undefined {
    const isOwn = this.#isOwn(request)
    if (!isOwn && !this.#touches(request)) return undefined
    const { arguments: args, results, limited_to: limitedTo, ...rest } = request
    const { rollout: _others, ...known } = rest as Partial<ClusterRequest>
    const seen = {
      ...known,
      arguments: isOwn ? args : this.#arguments(args),
      results: this.results(results, request),
      ...('warnings' in request ? { warnings: isOwn ? request.warnings : [] } : {}),
      ...(isOwn ? { limited_to: limitedTo } : {})
    }
    return seen as unknown as R
  }

  /** Returns the results of a request that are seen. */
  results<R extends ResultWithoutReqid>(results: readonly R[], request: Pick<Asked, 'arguments' | 'limited_to'>): R[] {
    const isOwn = this.#isOwn(request)
    const named = this.#namedIn(request)
    return results.flatMap((result): R[] => {
      const { instance, success, data } = result
      if (instance === undefined) {
        // It answers the caller's own words, and no agent has had part in it.
        if (!isOwn) return []
        const { instances } = data ?? {}
        if (!instances) return [result]
        return [
          { ...result, data: { ...data, instances: instances.filter(({ name }) => this.#scope.hasInstance(name)) } }
        ]
      }
      if (this.#scope.hasInstance(instance)) return [this.#scope.hidingOthers(result, named)]
      // That there is none of this name.
      return isOwn && !success && data === undefined && request.arguments.instances?.includes(instance) ? [result] : []
    })
  }

  /** Returns an event as it is seen now; undefined for one that is not. */
  see(event: LoggedEvent): LoggedEvent | undefined {
    if (event.instance !== null && !this.#scope.hasInstance(event.instance)) return undefined
    const seen = this.#body(JSON.parse(event.body) as DomainEvent)
    return seen && { ...event, body: JSON.stringify(seen) }
  }

  /** Returns the reasons that are of instances which are seen; where none is, that nothing is deployed. */
  reasons(reasons: readonly HealthReason[]): HealthReason[] {
    const { hasInstance } = this
    if (this.#scope.isEmpty) return [{ code: 'not_deployed', message: 'no cluster is deployed' }]
    return reasons.flatMap((reason): HealthReason[] => {
      const { code, instance, instances } = reason
      if (instance !== undefined) return hasInstance(instance) ? [this.#scope.hidingOthers(reason)] : []
      const seen = instances?.filter(hasInstance) ?? []
      return seen.length > 0 ? [{ code, message: someMissing, instances: seen }] : []
    })
  }

  get basis(): unknown {
    return this.#scope.basis
  }

  readonly hasInstance = (name: string): boolean => this.#scope.hasInstance(name)

  /** Returns the body of an event whose instance, if it has one, is seen. What is not told here is not seen. */
  #body(body: DomainEvent): object | undefined {
    if ('reqid' in body) return this.#ofRequest(body)
    switch (body.type) {
      case 'notify_health': {
        const reasons = this.reasons(body.reasons)
        return { ...body, ready: reasons.length === 0, reasons }
      }
      case 'notify_agents_ready': {
        const instances = body.instances.filter(this.hasInstance)
        return instances.length > 0 ? { ...body, instances } : undefined
      }
      default:
        return 'instance' in body && body.instance !== undefined ? this.#scope.hidingOthers(body) : undefined
    }
  }

  #ofRequest(body: Extract<DomainEvent, { reqid: string }>): object | undefined {
    const request = this.#find(body.reqid)
    if (!request) return undefined
    if ('instance' in body) {
      if (body.instance === undefined) return undefined
      const seen = 'results' in body ? { ...body, results: this.results(body.results, request) } : body
      return this.#scope.hidingOthers(seen, this.#namedIn(request))
    }
    const seen = this.request(request)
    if (!seen) return undefined
    if ('arguments' in body) {
      const { limited_to: _others, ...rest } = body
      return { ...rest, arguments: seen.arguments, ...defined({ limited_to: seen.limited_to }) }
    }
    if ('warnings' in body) {
      return {
        ...body,
        results: this.results(body.results, request),
        warnings: this.#isOwn(request) ? body.warnings : []
      }
    }
    return body.type === 'request_expired' ? body : undefined
  }

  #isOwn({ limited_to: labels }: Pick<Asked, 'limited_to'>): boolean {
    return labels !== undefined && keyOf(labels) === this.key
  }

  /** Returns what the reader has named itself. */
  #namedIn(request: Pick<Asked, 'arguments' | 'limited_to'>): ReadonlySet<string> | undefined {
    return this.#isOwn(request) ? this.#scope.othersIn(JSON.stringify(request.arguments)) : undefined
  }

  #touches({ type, arguments: args, results }: Asked): boolean {
    const scope = this.#scope
    if (results.some(({ instance }) => instance !== undefined && scope.hasInstance(instance))) return true
    const { nodes = [], instances = [], labels = {} } = args
    if (nodes.length > 0) return nodes.some(node => scope.hasNode(node))
    if (instances.length > 0) return instances.some(this.hasInstance)
    // Without any, it is of all. Of a type of another version nothing is known.
    const takes = (definitions as Partial<Record<string, RequestDefinition>>)[type]?.arguments.properties ?? {}
    return 'instances' in takes && scope.hasLabelled(labels)
  }

  /** Returns arguments of others: with those names only that are seen, and no text that may have others. */
  #arguments({
    config: _config,
    labels: _labels,
    comment,
    nodes,
    instances,
    ...rest
  }: RequestArguments): RequestArguments {
    const seen = {
      nodes: nodes?.filter(node => this.#scope.hasNode(node)),
      instances: instances?.filter(this.hasInstance)
    }
    const named = [...(nodes ?? []), ...(instances ?? [])]
    const isAllSeen = named.length > 0 && named.length === (seen.nodes?.length ?? 0) + (seen.instances?.length ?? 0)
    return this.#scope.hidingOthers({ ...rest, ...defined({ ...seen, comment: isAllSeen ? comment : undefined }) })
  }
}
