import { useMemo } from 'preact/hooks'
import { api } from '../context.js'
import {
  changesOf,
  choiceOf,
  earlierOf,
  isFeedOnly,
  shownRef,
  summaryOf,
  type Bundle,
  type FileChange
} from '../model/bundles.js'
import { plain } from '../model/format.js'
import { LongTable, type LongColumn } from '../parts/long-table.js'
import { useQuery } from '../parts/query.js'
import { useRead } from '../parts/read.js'
import { useNewUse } from './uses.js'

/** From so many of the newest one can be chosen; any can be in the URL. */
const choicesMax = 1000

const signs = { added: '+', removed: '−', changed: '~' }
const columns: readonly LongColumn<FileChange>[] = [
  {
    title: 'Path',
    width: 'minmax(0, 1fr)',
    cell: ({ kind, path }) => (
      <>
        <span class={`sign ${kind}`} aria-hidden="true">
          {signs[kind]}
        </span>{' '}
        {plain(path)}
      </>
    )
  },
  { title: 'Change', width: '5rem', cell: ({ kind }) => kind },
  { title: 'Size', width: '10rem', isNumber: true, cell: ({ size }) => size },
  { title: 'What', width: '14rem', cell: ({ what }) => what }
]

/** What is different in a bundle from another one, which can be chosen; it is in the URL then. */
export function Difference({ of: { id } }: { of: Bundle }) {
  const [query, change] = useQuery()
  const list = useRead('bundles', async signal => {
    const { data } = await api.GET('/v1/bundles', { params: { query: { limit: choicesMax } }, signal })
    return data!.bundles
  })
  useNewUse(list.again)
  const others = (list.value ?? []).filter(one => one.id !== id && !isFeedOnly(one))
  const asked = query.get('from') ?? undefined
  const from = asked ?? (list.value && earlierOf(list.value, id)?.id)
  const isListed = others.some(one => one.id === from)
  return (
    <section aria-labelledby="difference">
      <h2 id="difference">Difference</h2>
      {list.value && others.length === 0 && from === undefined ? (
        <p>There is no other bundle.</p>
      ) : (
        <form class="filters" onSubmit={event => event.preventDefault()}>
          <label>
            Compared with
            <select value={from} onChange={event => change({ from: event.currentTarget.value })}>
              {!isListed && <option value={from}>{from === undefined ? 'choose one' : shownRef(from)}</option>}
              {others.map(one => (
                <option key={one.id} value={one.id}>
                  {choiceOf(one)}
                </option>
              ))}
            </select>
          </label>
        </form>
      )}
      {list.failure && <NotRead what="Other bundles" failure={list.failure} />}
      {from !== undefined && <Changes from={from} to={id} />}
    </section>
  )
}

function Changes({ from, to }: { from: string; to: string }) {
  const { value, failure } = useRead(`${from} ${to}`, async signal => {
    const params = { path: { bundle: to }, query: { from } }
    return (await api.GET('/v1/bundles/{bundle}/diff', { params, signal })).data!
  })
  const changes = useMemo(() => (value ? changesOf(value) : []), [value])
  if (failure) return <NotRead what="The difference" failure={failure} />
  if (!value) return <p aria-busy="true">Comparing…</p>
  return (
    <>
      <p role="status">{summaryOf(value)}</p>
      {changes.length > 0 && (
        <LongTable name="Files that differ" columns={columns} rows={changes} keyOf={({ path }) => path} />
      )}
    </>
  )
}

const NotRead = ({ what, failure }: { what: string; failure: Error }) => (
  <p role="alert" class="notice bad text">
    {what} could not be read: {plain(failure.message)}.
  </p>
)
