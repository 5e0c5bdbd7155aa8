import { api } from '../context.js'
import { choiceOf, earlierOf, isFeedOnly, shownRef, summaryOf, type Bundle } from '../model/bundles.js'
import { plain } from '../model/format.js'
import { useQuery } from '../parts/query.js'
import { useRead } from '../parts/read.js'
import { FileChanges } from './file-changes.js'
import { useNewUse } from './uses.js'

/** From so many of the newest one can be chosen; any can be in the URL. */
const choicesMax = 1000

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
  if (failure) return <NotRead what="The difference" failure={failure} />
  if (!value) return <p aria-busy="true">Comparing…</p>
  return (
    <>
      <p role="status">{summaryOf(value)}</p>
      <FileChanges of={value} />
    </>
  )
}

const NotRead = ({ what, failure }: { what: string; failure: Error }) => (
  <p role="alert" class="notice bad text">
    {what} could not be read: {plain(failure.message)}.
  </p>
)
