import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks'
import { useLocation } from 'wouter-preact'
import { useMay } from '../context.js'
import { renamingOf, titleOf, type Bundle } from '../model/bundles.js'
import { bytes, plain } from '../model/format.js'
import { DropZone } from '../parts/drop-zone.js'
import { FileChoice } from '../parts/file-choice.js'
import { Link } from '../parts/link.js'
import { Sent } from '../parts/sent.js'
import { useUpload, type Upload, type UploadState } from './upload.js'

/** Where an archive is chosen, sent, and how far it is. `bundles`: those that are known. */
export function UploadForm({ bundles }: { bundles: readonly Bundle[] }) {
  const mayAct = useMay('operator')
  const [, navigate] = useLocation()
  const upload = useUpload()
  const { file, sent, failure, done } = useUploadState(upload)
  const [name, setName] = useState('')
  const isShown = useRef(true)
  useEffect(() => () => void (isShown.current = false), [])
  const isSending = sent !== undefined
  const send = async (event: Event) => {
    event.preventDefault()
    const bundle = await upload.send(name.trim())
    // Who looks at another page by now stays there.
    if (bundle && isShown.current) navigate(`/content/${bundle.id}`)
  }
  const renaming = renamingOf(bundles, name.trim())
  return (
    <section aria-labelledby="upload">
      <h2 id="upload">Upload</h2>
      {mayAct && <DropZone invitation="Drop the archive to upload it" onFile={one => upload.choose(one)} />}
      <form class="upload" onSubmit={send}>
        <div class="filters">
          <FileChoice
            name="Archive of a bundle"
            accept=".tar,.gz,.tgz,application/x-tar,application/gzip"
            disabled={!mayAct || isSending}
            onFile={one => upload.choose(one)}
          >
            Choose an archive…
          </FileChoice>
          <label>
            Name
            <input
              value={name}
              placeholder="site"
              autocomplete="off"
              spellcheck={false}
              list="bundle-names"
              disabled={!mayAct || isSending}
              onInput={event => setName(event.currentTarget.value)}
            />
          </label>
          <datalist id="bundle-names">
            {bundles
              .flatMap(({ names }) => names)
              .map(one => (
                <option key={one} value={one} />
              ))}
          </datalist>
          <button type="submit" class="primary" disabled={!mayAct || !file || isSending}>
            Upload
          </button>
          {isSending && (
            <button type="button" onClick={() => upload.cancel()}>
              Cancel
            </button>
          )}
        </div>
        <p role="status" class="text">
          {file === undefined ? '' : `${isSending ? 'Uploading ' : ''}${plain(file.name)}, ${bytes(file.size)}`}
        </p>
        {isSending && <Sent sent={sent} size={file!.size} />}
        {failure && (
          <p role="alert" class="notice bad text">
            Not uploaded: {plain(failure.message)}
          </p>
        )}
        {done && (
          <p class="notice good">
            It is uploaded: <Link href={`/content/${done.bundle.id}`}>{titleOf(done.bundle)}</Link>
          </p>
        )}
        {renaming !== undefined && <p>{renaming}</p>}
        <p class="aside">
          {mayAct ? (
            <>
              A tar archive, .tar or .tar.gz, of <a href="docs/guide/content#what-is-in-it">what a bundle has</a>; it
              can be dropped on the page, too. Nothing that runs changes until a configuration that names it is
              deployed.
            </>
          ) : (
            'To upload takes the role operator.'
          )}
        </p>
      </form>
    </section>
  )
}

function useUploadState(upload: Upload): UploadState {
  const [, draw] = useReducer((count: number) => count + 1, 0)
  useLayoutEffect(() => upload.subscribe(() => draw(undefined)), [upload])
  return upload.state
}
