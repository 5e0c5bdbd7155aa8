import { useState } from 'preact/hooks'
import { plain } from '../model/format.js'
import { prettyJson } from '../model/json-text.js'
import { AsOf } from '../parts/as-of.js'
import { answerTo } from '../parts/submit.js'

interface Told {
  id: string
  at: number
  value?: string
  failure?: string
}

/** More than a person reads, and than a browser draws quickly, in characters. */
const shownMax = 100_000

/** Asks a node for the value of one of Zeek's identifiers. */
export function IdValue({ name }: { name: string }) {
  const [isBusy, setBusy] = useState(false)
  const [told, setTold] = useState<Told>()
  const ask = async (event: Event) => {
    event.preventDefault()
    const id = String(new FormData(event.currentTarget as HTMLFormElement).get('id')).trim()
    setBusy(true)
    try {
      const { results, state } = await answerTo('get_id_value', { id, nodes: [name] })
      const { success, error = state, data } = results[0] ?? { success: false }
      setTold({ id, at: Date.now(), ...(success ? { value: data?.value ?? '' } : { failure: error }) })
    } catch (error) {
      setTold({ id, at: Date.now(), failure: (error as Error).message })
    } finally {
      setBusy(false)
    }
  }
  const text = told?.value === undefined ? '' : plain(prettyJson(told.value))
  return (
    <section aria-labelledby="id-value">
      <h2 id="id-value">Value of an identifier</h2>
      <form class="filters" onSubmit={event => void ask(event)}>
        <label>
          Identifier
          <input
            name="id"
            required
            maxLength={256}
            pattern="[A-Za-z_][A-Za-z0-9_:]*"
            title="A global identifier of Zeek, as Cluster::node"
            placeholder="Cluster::node"
            autocomplete="off"
            spellcheck={false}
            autocapitalize="off"
          />
        </label>
        <button type="submit" disabled={isBusy}>
          Get value
        </button>
      </form>
      <div role="status">
        {told && (
          <p>
            <code>{told.id}</code> <AsOf at={told.at} />
          </p>
        )}
        {told?.failure !== undefined && <p class="notice bad">{plain(told.failure)}</p>}
      </div>
      {told?.value !== undefined && (
        <figure class="output">
          <pre tabIndex={0} aria-label={`Value of ${told.id}`}>
            {text.slice(0, shownMax)}
          </pre>
          {text.length > shownMax && (
            <figcaption>
              The first {shownMax} of {text.length} characters.
            </figcaption>
          )}
        </figure>
      )}
    </section>
  )
}
