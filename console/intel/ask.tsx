import { useEffect, useRef, useState } from 'preact/hooks'
import { submit } from '../../src/client/requests.js'
import { api, useCluster } from '../context.js'
import { bytes, plain } from '../model/format.js'
import { effectsOfFeed, nameOfFile, titleOfFeedChange, type Feed, type FeedChange } from '../model/intel.js'
import type { ClusterRequest } from '../model/types.js'
import { ChangeDialog } from '../parts/change.js'
import { DropZone } from '../parts/drop-zone.js'
import { FileChoice } from '../parts/file-choice.js'
import { sendFile } from '../parts/send-file.js'
import { Sent } from '../parts/sent.js'
import { useSubmission } from '../parts/submit.js'

/** A change of a feed that is asked for, with the file that was dropped for it. */
export interface AskedFeed extends FeedChange {
  file?: File | undefined
}

/**
 * Asks for the file of a feed, and sends it; or asks before one is unset. Closing it stops sending. `feeds`: those that
 * are set.
 */
export function AskFeed({
  change,
  feeds,
  onAccepted,
  onClose
}: {
  change: AskedFeed
  feeds: readonly Feed[]
  onAccepted: (change: FeedChange, request: ClusterRequest) => void
  onClose: () => void
}) {
  const { type } = change
  const nodes = useCluster(cluster => cluster.nodes)
  const [file, setFile] = useState(change.file)
  const [name, setName] = useState(change.name || nameOfFile(file?.name ?? ''))
  const [sent, setSent] = useState(0)
  const closing = useRef(new AbortController())
  useEffect(() => () => closing.current.abort(), [])
  const submission = useSubmission<{ name: string }>(async ({ name }, key) => {
    if (type === 'unset_intel') return await submit(api, type, { name }, { key })
    setSent(0)
    const target = {
      method: 'PUT',
      path: `v1/intel/${encodeURIComponent(name)}`,
      headers: { 'idempotency-key': key }
    } as const
    const options = { signal: closing.current.signal, onSent: setSent }
    return (await sendFile<ClusterRequest>(file!, target, options)).answer
  })
  const asked = { type, name: name.trim() }
  const send = async () => {
    const request = await submission.submit({ name: asked.name })
    if (request) onAccepted(asked, request)
  }
  const choose = (chosen: File) => {
    // A name that was made of the file before is one for that; others were given.
    if (change.name === '' && name === nameOfFile(file?.name ?? '')) setName(nameOfFile(chosen.name))
    setFile(chosen)
    submission.reset()
  }
  const isSetting = type === 'set_intel'
  return (
    <ChangeDialog
      title={titleOfFeedChange(change)}
      label={isSetting ? 'Set' : 'Unset'}
      effects={effectsOfFeed(asked, feeds, nodes.values())}
      submission={submission}
      isReady={!isSetting || file !== undefined}
      onSubmit={send}
      onClose={onClose}
    >
      {isSetting && (
        <>
          {!submission.isBusy && <DropZone invitation="Drop the file for the feed" onFile={choose} />}
          <label>
            Name
            <input
              value={name}
              required
              readOnly={submission.isBusy || feeds.some(feed => feed.name === change.name)}
              maxLength={64}
              placeholder="tor-exits"
              autocomplete="off"
              spellcheck={false}
              autocapitalize="off"
              onInput={event => {
                setName(event.currentTarget.value)
                submission.reset()
              }}
            />
          </label>
          <p class="buttons">
            <FileChoice
              name="File of the feed"
              accept=".intel,.dat,.tsv,.txt,text/tab-separated-values,text/plain"
              disabled={submission.isBusy}
              onFile={choose}
            >
              {file ? 'Choose another file…' : 'Choose a file…'}
            </FileChoice>
          </p>
          <p role="status" class="text">
            {file && `${plain(file.name)}, ${bytes(file.size)}`}
          </p>
          {submission.isBusy && <Sent sent={sent} size={file!.size} />}
          <p class="aside">
            Names of fields after <code>#fields</code>, then an indicator a line, with tabs between fields:{' '}
            <a href="docs/guide/intel" target="_blank" rel="noreferrer">
              the format
            </a>
            . It can be dropped here, too.
          </p>
        </>
      )}
    </ChangeDialog>
  )
}
