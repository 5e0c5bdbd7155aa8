import type { components } from '../../src/client/openapi.js'

/** Schemas of the API. */
export type Schema = components['schemas']

type Control = { type: 'hello' | 'heartbeat' | 'snapshot' | 'snapshot-end' | 'reset' | 'goodbye' }
/** An event that is in the log. */
export type DomainEvent = Exclude<Schema['ClusterEvent'], Control>
export type Snapshot = Extract<Schema['ClusterEvent'], { type: 'snapshot' }>

export type Node = Schema['InstanceNode']
export type Instance = Schema['InstanceStatus']
export type NodeState = Schema['NodeState']
export type NodeStats = Schema['NodeStats']
export type Health = Pick<Schema['ClusterHealth'], 'ready' | 'reasons'>
export type ClusterRequest = Schema['ClusterRequest']
export type RequestResult = Schema['RequestResult']
export type Role = Schema['Role']
