import { useMemo } from 'preact/hooks'
import { useCluster, useMay } from '../context.js'
import { GroupCard } from '../groups/card.js'
import { useElastic, useGroups } from '../groups/read.js'
import { counted, plain } from '../model/format.js'
import { groupHas, nodesOf, type Groups } from '../model/groups.js'
import { isAmiss } from '../model/states.js'
import { Link } from '../parts/link.js'
import { Page } from '../parts/page.js'
import { useQuery } from '../parts/query.js'
import { Ago } from '../parts/time.js'

/** Groups of workers: what each has become, how its workers are, and why they are where they are. */
export function GroupsPage() {
  const mayRead = useMay('operator')
  return (
    <Page title="Groups" help="groups">
      {mayRead ? <Whole /> : <p>To see groups takes the role operator: they are part of a configuration.</p>}
    </Page>
  )
}

function Whole() {
  const { value, failure, again } = useGroups()
  return (
    <>
      {failure && (
        <p role="alert" class="notice bad text">
          Groups could not be read: {plain(failure.message)}.
        </p>
      )}
      {!value && !failure && <p aria-busy="true">Reading…</p>}
      {value && (value.groups && value.groups.groups.length > 0 ? <Cards of={value.groups} /> : <None />)}
      <div class="list-foot">
        <p class="buttons">
          <button type="button" onClick={again}>
            Read again
          </button>
          {value && (
            <span class="aside">
              Read <Ago at={value.at} />
            </span>
          )}
        </p>
      </div>
    </>
  )
}

const None = () => (
  <section aria-label="Groups">
    <p>
      The configuration that is staged has no groups. A group describes workers that are alike once, on one host or
      many, and has the controller choose their CPUs: <a href="docs/guide/groups">how groups work</a>.{' '}
      <Link href="/deploy">Deploy</Link>
    </p>
  </section>
)

function Cards({ of: { groups, isDeployed } }: { of: Groups }) {
  const [query, change] = useQuery()
  const text = query.get('text') ?? ''
  const elastic = useElastic()
  const isShort = query.get('amiss') !== null
  const fitting = useMemo(() => groups.filter(group => groupHas(group, text)), [groups, text])
  // As text, which is the same while the names are: each card follows by itself what becomes of its workers.
  const amiss = useCluster(({ nodes }) =>
    groups
      .filter(group => nodesOf(group, nodes).some(isAmiss))
      .map(({ group }) => group.name)
      .join(' ')
  )
  const isAmissIn = new Set(amiss.split(' ').filter(Boolean))
  const shown = isShort ? fitting.filter(({ group }) => isAmissIn.has(group.name)) : fitting
  return (
    <>
      <section aria-label="Filter" class="group-filter">
        <form class="filters" role="search" aria-label="Groups" onSubmit={event => event.preventDefault()}>
          <label>
            Text
            <input
              type="search"
              value={text}
              placeholder="name, interface or host"
              onInput={event => change({ text: event.currentTarget.value })}
            />
          </label>
          <label class="check">
            <input type="checkbox" checked={isShort} onChange={() => change({ amiss: isShort ? '' : 'true' })} /> Only
            groups where something is amiss
          </label>
        </form>
        <p role="status">
          {shown.length === groups.length
            ? counted(groups.length, 'group')
            : `${counted(shown.length, 'group')} of ${groups.length}`}
          {isAmissIn.size > 0 && `, ${isAmissIn.size} with something amiss`}
        </p>
        {!isDeployed && (
          <p class="notice doubt">
            These groups are staged, and not what is deployed: workers and CPUs are those that a deployment now would
            make. <Link href="/deploy">Deploy</Link>
          </p>
        )}
      </section>
      {shown.length === 0 ? (
        <p>No group fits.</p>
      ) : (
        <ul class="group-cards" aria-label="Groups">
          {shown.map(one => (
            <GroupCard key={one.group.name} of={one} elastic={elastic.filter(({ name }) => name === one.group.name)} />
          ))}
        </ul>
      )}
    </>
  )
}
