import { useState } from 'preact/hooks'
import { api } from '../context.js'
import { formatConfiguration } from '../model/configuration-form.js'
import { plain } from '../model/format.js'
import { useRead } from '../parts/read.js'
import { Reading } from '../parts/reading.js'
import { save } from '../parts/save.js'

/** The configuration of a revision: it is read when that is asked for, since the audit log tells of it. */
export function RevisionConfiguration({ of: revision }: { of: number }) {
  const [isAsked, setAsked] = useState(false)
  const read = useRead(isAsked ? String(revision) : undefined, async signal => {
    const { data } = await api.GET('/v1/revisions/{revision}', { params: { path: { revision } }, signal })
    const { id: _anew, ...rest } = data!.configuration
    return formatConfiguration(rest)
  })
  const text = read.value
  return (
    <section aria-labelledby="configuration">
      <h2 id="configuration">Configuration</h2>
      {!isAsked && (
        <>
          <p>It is kept as it was staged, with its secrets. The audit log tells who has read it.</p>
          <p class="buttons">
            <button type="button" onClick={() => setAsked(true)}>
              Read it
            </button>
          </p>
        </>
      )}
      {isAsked && <Reading of={read} what="It" />}
      {text !== undefined && (
        <>
          <div class="json">
            <pre tabIndex={0} aria-label={`Configuration of revision ${revision}`}>
              {plain(text)}
            </pre>
          </div>
          <p class="buttons">
            <button type="button" onClick={() => save(`revision-${revision}.json`, text)}>
              Save as a file
            </button>
          </p>
        </>
      )}
    </section>
  )
}
