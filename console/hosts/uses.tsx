import { bytes, plain } from '../model/format.js'
import { archiveText, isOlder, type HostStats, type InstanceStats } from '../model/hosts.js'
import { AsOf } from '../parts/as-of.js'
import { UseBar } from './bar.js'
import { loadText } from './facts.js'
import { Disks, Foreign, Interfaces } from './tables.js'

/** What a host uses, as a list. */
export function Uses({ told, name, at: latest }: { told: HostStats; name: string; at?: number | undefined }) {
  const { stats, at } = told
  if (!stats) return null
  const { memory_bytes: memory, memory_available_bytes: available, swap_bytes: swap, swap_free_bytes: swapFree } = stats
  return (
    <>
      {isOlder(told, latest) && (
        <p>
          What {plain(name)} has told last: <AsOf at={at} />
        </p>
      )}
      <dl>
        <dt>Load</dt>
        <dd>
          {loadText(stats)} <span class="aside">(1, 5, 15 minutes)</span>
        </dd>
        <dt>Memory</dt>
        <dd>
          <UseBar size={memory} free={available} /> <span class="aside">{bytes(available)} available</span>
        </dd>
        <dt>Swap</dt>
        <dd>{swap === 0 ? 'none' : <UseBar size={swap} free={swapFree} />}</dd>
        {stats.archive && <Archive archive={stats.archive} />}
      </dl>
    </>
  )
}

function Archive({ archive }: { archive: NonNullable<InstanceStats['archive']> }) {
  const { queue, directory, archived, deleted, failures, error } = archive
  return (
    <>
      <dt>Archive</dt>
      <dd>
        {archiveText(archive)}. Since the agent has started {archived} archived, {deleted} deleted.
        {failures > 0 && (
          <>
            {' '}
            <strong>
              Failed {failures} times in a row{error !== undefined && `: ${plain(error)}`}
            </strong>
          </>
        )}
      </dd>
      <dt>Queue</dt>
      <dd>
        <code>{plain(queue)}</code>
      </dd>
      <dt>Logs</dt>
      <dd>
        <code>{plain(directory)}</code>
      </dd>
    </>
  )
}

/** What a host has of each thing, as tables. */
export function Details({ stats, name }: { stats: InstanceStats; name: string }) {
  return (
    <>
      <div class="columns wide">
        <section aria-labelledby="disks">
          <h2 id="disks">Disks</h2>
          <Disks disks={stats.file_systems} name={name} />
        </section>
        <section aria-labelledby="interfaces">
          <h2 id="interfaces">Interfaces</h2>
          <Interfaces interfaces={stats.interfaces} name={name} />
        </section>
      </div>
      {stats.foreign.length > 0 && (
        <section aria-labelledby="foreign">
          <h2 id="foreign">Zeek processes that the agent has not started</h2>
          <Foreign foreign={stats.foreign} name={name} />
        </section>
      )}
    </>
  )
}
