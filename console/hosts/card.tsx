import { Link } from '../parts/link.js'
import { counted, plain } from '../model/format.js'
import {
  archiveText,
  byTraffic,
  isOlder,
  type Host,
  type InstanceStats,
  type Oddity,
  type Versions
} from '../model/hosts.js'
import { AsOf } from '../parts/as-of.js'
import { UseBar } from './bar.js'
import { Connection, Identity, InterfaceRates, loadText, NodeCounts, Oddities } from './facts.js'

const interfacesShown = 3

/** A host in short. `at`: when hosts have told what is shown of most of them. */
export function HostCard({
  host,
  versions,
  odd,
  at
}: {
  host: Host
  versions: Versions
  odd: readonly Oddity[]
  at: number | undefined
}) {
  const { name, instance, nodes, told } = host
  return (
    <li class="card host-card">
      <h2>
        <Link href={`/hosts/${name}`}>{plain(name)}</Link>
      </h2>
      {instance?.connected === true && (
        <p>
          <Connection instance={instance} isShort />
        </p>
      )}
      <Oddities of={odd} name={name} />
      <dl>
        <Identity host={host} versions={versions} />
        <dt>Nodes</dt>
        <dd>
          <NodeCounts name={name} nodes={nodes} />
        </dd>
        {told?.stats && <Uses stats={told.stats} />}
      </dl>
      {told?.stats && isOlder(told, at) && (
        <p>
          <AsOf at={told.at} />
        </p>
      )}
      {told?.stats === undefined && instance?.connected === true && told?.error === undefined && (
        <p aria-busy="true" class="aside">
          It is asked what it uses…
        </p>
      )}
    </li>
  )
}

function Uses({ stats }: { stats: InstanceStats }) {
  const { memory_bytes: memory, memory_available_bytes: available, file_systems: disks, archive, foreign } = stats
  const up = byTraffic(stats.interfaces).filter(({ up }) => up)
  return (
    <>
      <dt>Load</dt>
      <dd>{loadText(stats)}</dd>
      <dt>Memory</dt>
      <dd>
        <UseBar size={memory} free={available} />
      </dd>
      <dt>Disks</dt>
      <dd>
        {disks.map(({ path, size_bytes: size, free_bytes: free }) => (
          <div key={path}>
            {plain(path)} <UseBar size={size} free={free} />
          </div>
        ))}
      </dd>
      <dt>Interfaces</dt>
      <dd>
        {up.slice(0, interfacesShown).map(one => (
          <div key={one.name}>
            {plain(one.name)}: <InterfaceRates of={one} />
          </div>
        ))}
        {stats.interfaces.length > interfacesShown && (
          <span class="aside">and {stats.interfaces.length - Math.min(up.length, interfacesShown)} more</span>
        )}
      </dd>
      {archive && (
        <>
          <dt>Archive</dt>
          <dd>{archiveText(archive)}</dd>
        </>
      )}
      {foreign.length > 0 && (
        <>
          <dt>Other Zeek</dt>
          <dd>{counted(foreign.length, 'process').replace('processs', 'processes')} not started by the agent</dd>
        </>
      )}
    </>
  )
}
