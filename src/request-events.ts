import type { ClusterRequest } from '../schemas/api.js'
import type { DomainEvent } from '../schemas/events.js'
import { defined } from './util.js'

/** Returns the event with which a request begins. */
export function requestEvent(
  request: Pick<ClusterRequest, 'type' | 'reqid' | 'arguments' | 'limited_to' | 'expires_at'>
): DomainEvent {
  const { type, reqid, arguments: args, limited_to: limitedTo, expires_at: expires } = request
  return { type: `${type}_request`, reqid, arguments: args, ...defined({ limited_to: limitedTo }), expires_at: expires }
}

/** Returns the event with which a request has ended. */
export function responseEvent(
  request: Pick<ClusterRequest, 'type' | 'reqid' | 'state' | 'success' | 'results' | 'warnings'>
): DomainEvent {
  const { type, reqid, state, success = false, results, warnings } = request
  if (state === 'expired') return { type: 'request_expired', reqid }
  return { type: `${type}_response`, reqid, state, success, results, warnings }
}
