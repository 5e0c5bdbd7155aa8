import { counted } from '../model/format.js'
import { odditiesOf, versionsOf } from '../model/hosts.js'
import { HostCard } from '../hosts/card.js'
import { Controllers } from '../hosts/controllers.js'
import { Joins } from '../hosts/joins.js'
import { RefreshLine } from '../parts/refresh-line.js'
import { useHosts, useHostStats } from '../hosts/stats.js'
import { Page } from '../parts/page.js'

/** Every host: whether it is connected, what it has and uses. Those that something is wrong with come first. */
export function Hosts() {
  const { value, ...how } = useHostStats()
  const hosts = useHosts(value)
  const versions = versionsOf(hosts)
  const odd = new Map(hosts.map(({ name }, index) => [name, odditiesOf(hosts[index]!, versions)]))
  const isBad = ({ name }: { name: string }) => odd.get(name)!.some(({ tone }) => tone === 'bad')
  const ordered = [...hosts.filter(isBad), ...hosts.filter(host => !isBad(host))]
  const many = hosts.filter(({ name }) => odd.get(name)!.length > 0).length
  const lost = hosts.filter(({ instance }) => instance?.connected !== true).length
  return (
    <Page title="Hosts" help="statistics#instances">
      <div class="hosts-head">
        <p role="status">
          {counted(hosts.length, 'host')}
          {lost > 0 && `, ${lost} not connected`}
          {many > 0 && `, ${many} with something to look at`}
        </p>
        <RefreshLine {...how} />
      </div>
      <Joins />
      <Controllers />
      {hosts.length === 0 ? (
        <section aria-label="Hosts">
          <p>
            No agent has connected yet. <a href="docs/guide/fleet">How hosts join</a>
          </p>
        </section>
      ) : (
        <ul class="host-cards" aria-label="Hosts">
          {ordered.map(host => (
            <HostCard key={host.name} host={host} versions={versions} odd={odd.get(host.name)!} at={how.at} />
          ))}
        </ul>
      )}
    </Page>
  )
}
