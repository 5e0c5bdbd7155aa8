import { useMemo } from 'preact/hooks'
import { FileChanges } from '../content/file-changes.js'
import { plain } from '../model/format.js'
import { changesOf, choiceOf, numberIn, summaryOf, type PartChange, type Revision } from '../model/revisions.js'
import { LongTable, type LongColumn } from '../parts/long-table.js'
import { useQuery } from '../parts/query.js'
import { Sign } from '../parts/sign.js'
import { useDifference } from './read.js'

const columns: readonly LongColumn<PartChange>[] = [
  {
    title: 'Of',
    width: 'minmax(10rem, 2fr)',
    cell: ({ kind, noun, name }) => (
      <>
        <Sign kind={kind} /> {noun} {plain(name)}
      </>
    )
  },
  {
    title: 'Field',
    width: 'minmax(8rem, 2fr)',
    cell: ({ field }) => field !== '' && <span class="text">{plain(field)}</span>
  },
  { title: 'Change', width: 'minmax(0, 4fr)', cell: ({ change }) => <span class="text">{plain(change)}</span> }
]

/**
 * What is different in a revision from the one before it, or from another one that is chosen; that is in the URL then.
 */
export function Difference({ of: { revision }, revisions }: { of: Revision; revisions: readonly Revision[] }) {
  const [query, change] = useQuery()
  const others = revisions.filter(one => one.revision !== revision)
  const before = others.find(one => one.revision < revision)
  const from = numberIn(query.get('from') ?? '') ?? before?.revision
  const isListed = others.some(one => one.revision === from)
  return (
    <section aria-labelledby="difference">
      <h2 id="difference">Difference</h2>
      {others.length === 0 ? (
        <p>There is no other revision.</p>
      ) : (
        <form class="filters" onSubmit={event => event.preventDefault()}>
          <label>
            Compared with
            <select value={from} onChange={event => change({ from: event.currentTarget.value })}>
              {!isListed && <option value={from}>{from ?? 'choose one'}</option>}
              {others.map(one => (
                <option key={one.revision} value={one.revision}>
                  {choiceOf(one)}
                </option>
              ))}
            </select>
          </label>
        </form>
      )}
      {others.length > 0 && from === undefined && <p>It is the oldest that is kept.</p>}
      {from !== undefined && <Changes from={from} to={revision} />}
    </section>
  )
}

function Changes({ from, to }: { from: number; to: number }) {
  const { value, failure } = useDifference(to, from)
  const changes = useMemo(() => (value ? changesOf(value) : []), [value])
  if (failure) {
    return (
      <p role="alert" class="notice bad text">
        The difference could not be read: {plain(failure.message)}.
      </p>
    )
  }
  if (!value) return <p aria-busy="true">Comparing…</p>
  return (
    <>
      <p role="status">{summaryOf(value)}</p>
      {changes.length > 0 && (
        <LongTable
          name="What differs"
          columns={columns}
          rows={changes}
          keyOf={({ noun, name, field }) => `${noun} ${name} ${field}`}
        />
      )}
      {value.bundle && <FileChanges of={value.bundle} />}
    </>
  )
}
