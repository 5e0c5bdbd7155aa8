import type { AssignedNode } from '../../../schemas/agent.js'
import type { PlannedAction } from '../../../schemas/operations.js'
import type { UnitStatus } from '../../supervisor/program.js'
import type { How } from './origin.js'
import type { ManagedNode } from './managed-node.js'

/** Returns why a node is meant to be stopped. */
export const whyStopped = ({ spare = false }: Pick<AssignedNode, 'spare'>): string =>
  spare ? 'is a spare' : 'was stopped by an operator'

/**
 * Returns by name what is to be done to nodes so that they are what they are meant to be. `reasons` says of running
 * ones how they differ from that; those that are held go on even so.
 */
export function planOf(
  wanted: ReadonlyMap<string, Pick<ManagedNode, 'desired'> & { node: Pick<AssignedNode, 'spare'> }>,
  units: ReadonlyMap<string, Pick<UnitStatus, 'state'>>,
  reasons: ReadonlyMap<string, string>,
  { force = false, held = [] }: Pick<How, 'force'> & { held?: readonly string[] | undefined }
): Map<string, PlannedAction> {
  const isHeld = new Set(held)
  return new Map(
    [...wanted].map(([name, { desired, node }]): [string, PlannedAction] => {
      const isRunning = units.get(name)?.state === 'RUNNING'
      if (isRunning && isHeld.has(name)) return [name, { action: 'none' }]
      if (desired === 'STOPPED') {
        return [name, isRunning ? { action: 'stop', reason: whyStopped(node) } : { action: 'none' }]
      }
      if (!isRunning) return [name, { action: 'start' }]
      const reason = reasons.get(name) ?? (force ? 'forced' : undefined)
      return [name, reason === undefined ? { action: 'none' } : { action: 'restart', reason }]
    })
  )
}
