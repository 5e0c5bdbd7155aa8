import type { Position } from '../store/replica.js'
import type { ReplicaStatus } from '../../schemas/replication.js'

/** What a replica knows that wants to lead, and has applied the whole log. */
export interface Candidacy {
  own: Position
  /** The place of the newest entry of the log, asked after the others have answered. */
  last: number
  /** What the others that answered have said. */
  others: readonly Pick<ReplicaStatus, 'name' | 'place' | 'frame'>[]
  /** How many replicas there are, with this one. */
  replicas: number
}

/** Returns why a replica must not lead now; undefined when it may. */
export function obstacleToLead({ own, last, others, replicas }: Candidacy): string | undefined {
  const answered = others.length + 1
  const majority = Math.floor(replicas / 2) + 1
  // Else a replica without what was written could lead where the log has lost it, too.
  if (answered < majority) return `only ${answered} of ${replicas} replicas answer, and ${majority} must`
  if (own.place > last) return `the log ends at ${last}, and ${own.place} was written: it has lost what follows`
  const ahead = others.find(({ place }) => place > own.place)
  if (ahead) return `replica ${ahead.name} has ${ahead.place}, and the log ends at ${last}: it has lost what follows`
  const other = others.find(({ place, frame }) => place === own.place && frame !== own.frame)
  if (other) return `replica ${other.name} has something else at ${own.place}`
  return undefined
}
