import type { ComponentChildren } from 'preact'
import { plain } from '../model/format.js'
import type { ClusterRequest } from '../model/types.js'
import { Dialog, DialogButtons } from './dialog.js'
import { NodeResults } from './node-results.js'
import { RequestProgress, useRequest } from './request-progress.js'
import type { Submission } from './submit.js'

/** Asks before something of the nodes is changed. `children`: its fields; `effects`: what it does, line by line. */
export function ChangeDialog({
  title,
  label,
  effects,
  submission: { isBusy, failure },
  onSubmit,
  onClose,
  children
}: {
  title: string
  label: string
  effects: readonly string[]
  submission: Submission
  onSubmit: (fields: FormData) => Promise<void>
  onClose: () => void
  children?: ComponentChildren
}) {
  const go = (event: Event) => {
    event.preventDefault()
    void onSubmit(new FormData(event.currentTarget as HTMLFormElement))
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="change" onSubmit={go}>
        {children}
        <ul class="text">
          {effects.map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {failure && (
          <p role="alert" class="notice bad text">
            {plain(failure.message)}
          </p>
        )}
        <DialogButtons label={label} isDisabled={isBusy} onCancel={onClose} />
      </form>
    </Dialog>
  )
}

/** What comes of a change, in each node. `silent`: what it means that a node has no value; `onCorrect`: asks once more. */
export function ChangeOutcome({
  accepted,
  title,
  silent,
  onCorrect
}: {
  accepted: ClusterRequest
  title: string
  silent: string
  onCorrect: () => void
}) {
  const { state, results } = useRequest(accepted.reqid, accepted) ?? accepted
  return (
    <section aria-labelledby="outcome">
      <h2 id="outcome" class="text">
        {title}
      </h2>
      <RequestProgress accepted={accepted} nodes={[]} hasTable />
      {state === 'failed' && (
        <p class="buttons">
          <button type="button" onClick={onCorrect}>
            Correct…
          </button>
        </p>
      )}
      <NodeResults results={results} silent={silent} />
    </section>
  )
}
