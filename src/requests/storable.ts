import type { Outcome } from '../../schemas/types.js'
import { defined } from '../util.js'

/**
 * Deepest nesting of what is stored: nothing of ours is nested deeper, and a value that just fits the stack here may
 * not where it is read.
 */
const maxDepth = 64

/** Returns whether a value can be written down as JSON, and read again. */
export function isStorable(value: unknown): boolean {
  try {
    return !isDeeper(value, maxDepth) && JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}

/** Returns outcomes, with a failure in place of each that cannot be stored. */
export function storable(outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.map(outcome => (isStorable(outcome) ? outcome : unstorable(outcome)))
}

/** Returns the outcome that says of an instance, or its node, that what it has sent cannot be stored. */
export function unstorable({ instance, node }: Pick<Outcome, 'instance' | 'node'>): Outcome {
  return { success: false, ...defined({ instance, node }), error: 'its answer cannot be stored' }
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some(member => isDeeper(member, depth - 1))
}
