import type { ElasticGroup, ElasticGroupStatus } from '../../../schemas/groups.js'
import type { Cluster } from '../cluster/cluster.js'

/** Returns the workers of a group that are to run, and its spares; an operator has stopped the others. */
export function workersOf(
  cluster: Pick<Cluster, 'desiredStateOf' | 'isSpare'>,
  { nodes }: ElasticGroup
): Pick<ElasticGroupStatus, 'running' | 'spares'> {
  return {
    running: nodes.filter(node => cluster.desiredStateOf(node) === 'RUNNING'),
    spares: nodes.filter(node => cluster.isSpare(node))
  }
}
