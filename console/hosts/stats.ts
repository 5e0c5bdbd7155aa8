import { useCluster } from '../context.js'
import { compareNames } from '../model/cluster.js'
import { withAnswer, type Host, type HostStats } from '../model/hosts.js'
import { useRefreshed, type Refreshed } from '../parts/refresh.js'
import { sessionStore } from '../parts/session-store.js'
import { answerTo } from '../parts/submit.js'

type Told = ReadonlyMap<string, HostStats>

/** What was told last; of all instances together under no name. */
const useKept = sessionStore(() => new Map<string, { value: Told; at: number }>())

const everyMs = 30_000

/** Returns what instances tell of themselves, anew every half minute while the page is looked at. */
export function useHostStats(instance?: string): Refreshed<Told> {
  const kept = useKept()
  const key = instance ?? ''
  const before = kept.get(key) ?? kept.get('')
  return useRefreshed(
    async signal => {
      const args = instance === undefined ? {} : { instances: [instance] }
      const { results } = await answerTo('get_instance_stats', args, signal)
      const failed = results.find(result => !result.success && result.instance === undefined)
      if (failed) throw new Error(failed.error ?? 'failed')
      const at = Date.now()
      const value = withAnswer((kept.get(key) ?? before)?.value ?? new Map<string, HostStats>(), results, at)
      kept.set(key, { value, at })
      return value
    },
    { everyMs, kept: before }
  )
}

/** Returns all hosts, sorted by name, with what they have told. */
export function useHosts(told: Told | undefined): Host[] {
  const instances = useCluster(cluster => cluster.instances)
  const nodes = useCluster(cluster => cluster.nodes)
  return [...new Set([...instances.keys(), ...nodes.keys()])].sort(compareNames).map(name => ({
    name,
    instance: instances.get(name),
    nodes: (nodes.get(name) ?? []).filter(({ mgmt_role: role }) => role === 'NODE'),
    told: told?.get(name)
  }))
}
