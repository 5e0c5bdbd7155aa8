import { useEffect } from 'preact/hooks'
import { Link } from '../parts/link.js'
import { api, useMay } from '../context.js'
import { plain } from '../model/format.js'
import { toneOfRequest } from '../model/states.js'
import type { Schema } from '../model/types.js'
import { ListFoot } from '../parts/list-foot.js'
import { Page } from '../parts/page.js'
import { usePages } from '../parts/pages.js'
import { useQuery } from '../parts/query.js'
import { StateMark } from '../parts/state-mark.js'
import { Time } from '../parts/time.js'
import { Table } from '../parts/table.js'

type Entry = Schema['AuditEntry']
const pageLength = 100
/** The audit log has a stream of its own, which all tabs would need: it is read again instead, while it is shown. */
const againMs = 15_000

/** Who asked what, from where, and what came of it. */
export function Audit() {
  const isAdmin = useMay('admin')
  return (
    <Page title="Audit" help="security#the-audit-log">
      {isAdmin ? <Entries /> : <p>To read the audit log takes the role admin.</p>}
    </Page>
  )
}

function Entries() {
  const [query, change] = useQuery()
  const [text, outcome] = [query.get('q') ?? '', query.get('outcome') ?? '']
  const list = usePages<Entry>('audit', async (after, signal) => {
    const { data } = await api.GET('/v1/audit', { params: { query: { limit: pageLength, after } }, signal })
    return { items: data!.entries, next: data!.next }
  })
  const isFirst = list.items.length <= pageLength
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible' && isFirst) list.again()
    }, againMs)
    return () => clearInterval(timer)
  }, [isFirst])
  const entries = list.items.filter(entry => hasText(entry, text) && (outcome === '' || entry.outcome === outcome))
  return (
    <>
      <section aria-label="Filter">
        <form class="filters" onSubmit={event => event.preventDefault()}>
          <label>
            Text
            <input type="search" value={text} onInput={event => change({ q: event.currentTarget.value })} />
          </label>
          <label>
            Outcome
            <select value={outcome} onChange={event => change({ outcome: event.currentTarget.value })}>
              <option value="">all</option>
              {['accepted', 'succeeded', 'partial', 'failed', 'timed_out', 'interrupted', 'refused'].map(one => (
                <option key={one} value={one}>
                  {one}
                </option>
              ))}
            </select>
          </label>
          <span class="aside">
            {entries.length} of {list.items.length} entries that were read
          </span>
        </form>
      </section>
      <section aria-label="Entries">
        <Table
          name="Audit entries, newest first"
          columns={['When', 'Who', 'Role', 'From', 'Action', 'Outcome', 'Detail']}
        >
          {entries.map(entry => (
            <Row key={entry.cursor} entry={entry} />
          ))}
        </Table>
        <ListFoot list={list} what="Entries" isLive={false} />
      </section>
    </>
  )
}

const hasText = (entry: Entry, text: string) =>
  text === '' ||
  [entry.name, entry.role, entry.address, entry.action, entry.outcome, entry.detail, entry.reqid].some(value =>
    value?.toLowerCase().includes(text.toLowerCase())
  )

function Row({
  entry: { time, name, role, address, action, outcome, detail, reqid, count, clients }
}: {
  entry: Entry
}) {
  const tone = outcome === 'refused' ? 'bad' : outcome === 'accepted' ? 'busy' : toneOfRequest(outcome)
  const more = [count === undefined ? '' : `${count} times`, clients === undefined ? '' : `${clients} clients`]
  return (
    <tr>
      <td>
        <Time at={time} form="exact" />
      </td>
      <td class="text">{plain(name ?? '')}</td>
      <td>{role}</td>
      <td class="text">{plain(address ?? '')}</td>
      <td class="text">
        {reqid === undefined ? plain(action) : <Link href={`/requests/${reqid}`}>{plain(action)}</Link>}
      </td>
      <td>
        <span class="state">
          <StateMark tone={tone} /> {outcome}
        </span>
      </td>
      <td class="text">{plain([detail ?? '', ...more].filter(Boolean).join(', '))}</td>
    </tr>
  )
}
