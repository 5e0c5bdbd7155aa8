import { useContext, useState } from 'preact/hooks'
import { useCluster, useMay } from '../context.js'
import { fileForms, nameFor, type FileForm } from '../model/configuration-form.js'
import { itemsOf, memberOf } from '../model/configuration-text.js'
import { plain } from '../model/format.js'
import { FileChoice } from '../parts/file-choice.js'
import { DeskContext, useDesk } from './desk.js'
import { connectedIn, type Work } from './work.js'

/** Where a configuration can come from. */
export function Sources({ work }: { work: Work }) {
  const mayLoad = useMay('operator')
  const isBusy = useDesk(({ state }) => state.busy !== undefined)
  return (
    <div class="sources" role="group" aria-label="Get a configuration">
      <button type="button" disabled={!mayLoad} aria-disabled={isBusy} onClick={() => work.load('deployed')}>
        Load what is deployed
      </button>
      <button type="button" disabled={!mayLoad} aria-disabled={isBusy} onClick={() => work.load('staged')}>
        Load what is staged
      </button>
      <FileChoice
        name="File of a configuration"
        accept=".json,.cfg,.conf,.ini,.txt,application/json,text/plain"
        aria-disabled={isBusy}
        onFile={file => void work.open(file)}
      >
        Choose a file…
      </FileChoice>
      <button type="button" aria-disabled={isBusy} onClick={() => work.example()}>
        Example
      </button>
    </div>
  )
}

/** What can be done about a text that cannot be staged as it is. */
export function Remedies({ work }: { work: Work }) {
  const form = useDesk(({ draft }) => draft.analysis.form)
  const part = useDesk(({ draft }) => draft.analysis.part)
  const instances = useCluster(cluster => cluster.instances)
  if (form === 'yaml') {
    return (
      <p class="notice doubt">
        This is YAML, which the command line takes: <code>zeek-cluster deploy FILE</code>. Here it must be JSON.
      </p>
    )
  }
  if (form === 'empty') {
    return (
      <p class="notice">
        Load what is deployed, choose or drop a file, or begin with the example. Files are JSON, or of other tools:{' '}
        {fileForms.map(({ form: one, of }) => `${one} of ${of}`).join(', ')}.
      </p>
    )
  }
  if (form !== 'json') return <Conversion work={work} form={form} />
  const connected = connectedIn({ instances } as never)
  const isPlaceless = part?.kind === 'object' && !memberOf(part, 'instances') && itemsOf(part, 'nodes').length > 0
  if (!isPlaceless || connected.length === 0) return null
  return (
    <div class="notice doubt">
      <p>It names no instances: on which one are its nodes to be?</p>
      <p class="buttons">
        {connected.slice(0, 6).map(instance => (
          <button key={instance} type="button" onClick={() => work.place(instance)}>
            Put all on {plain(instance)}
          </button>
        ))}
      </p>
    </div>
  )
}

function Conversion({ work, form }: { work: Work; form: FileForm | 'unknown' }) {
  const { draft } = useContext(DeskContext)
  const isBusy = useDesk(({ state }) => state.busy !== undefined)
  const [chosen, setChosen] = useState<FileForm>()
  const as = chosen ?? (form === 'unknown' ? 'node.cfg' : form)
  const convert = (event: Event) => {
    event.preventDefault()
    void work.convert(as, nameFor(as, draft.fileName))
  }
  return (
    <form class="notice doubt" onSubmit={convert}>
      <p>
        {form === 'unknown' ? 'This is no JSON.' : `This is no JSON, but looks like a ${form}.`} Files of other tools
        can be converted; undoing brings the file back.
      </p>
      <p class="buttons">
        <label>
          Convert it as{' '}
          <select value={as} onChange={event => setChosen(event.currentTarget.value as FileForm)}>
            {fileForms.map(({ form: one, of }) => (
              <option key={one} value={one}>
                {one} of {of}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" aria-disabled={isBusy}>
          Convert
        </button>
      </p>
    </form>
  )
}

/** What a conversion could not take over. */
export function Notes() {
  const desk = useContext(DeskContext)
  const notes = useDesk(({ state }) => state.notes)
  if (notes.length === 0) return null
  return (
    <section class="notice doubt notes" aria-label="Notes of the conversion">
      <p>What the configuration does not hold, and what to do about it:</p>
      <ul>
        {notes.map((note, index) => (
          <li key={index} class="text">
            {plain(note)}
          </li>
        ))}
      </ul>
      <p class="buttons">
        <button type="button" onClick={() => desk.set({ notes: [] })}>
          Close the notes
        </button>
      </p>
    </section>
  )
}
