import { useCluster } from '../context.js'
import { plain } from '../model/format.js'
import type { Health } from '../model/types.js'

/** Why the cluster is not ready, as far as a node or an instance has to do with it. */
export function Complaints({ about }: { about: (reason: Health['reasons'][number]) => boolean }) {
  const health = useCluster(cluster => cluster.health)
  const reasons = (health?.reasons ?? []).filter(about)
  if (reasons.length === 0) return null
  return (
    <div class="notice bad" role="group" aria-label="Health">
      <ul class="reasons">
        {reasons.map(({ code, message, node }) => (
          <li key={`${code} ${node} ${message}`}>{plain(message)}</li>
        ))}
      </ul>
    </div>
  )
}
