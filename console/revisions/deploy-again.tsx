import { useState } from 'preact/hooks'
import { HowFields, useHow } from '../deploy/how.js'
import { argsOf } from '../model/deployment.js'
import { plain } from '../model/format.js'
import { summaryOf, type Revision } from '../model/revisions.js'
import type { ClusterRequest } from '../model/types.js'
import { DeploymentEnding } from '../parts/deployment-ending.js'
import { Dialog, DialogButtons } from '../parts/dialog.js'
import { RequestProgress, useRequest } from '../parts/request-progress.js'
import { faultsIn, useSubmit, type Submission } from '../parts/submit.js'
import { useDifference } from './read.js'

/** A button that deploys a revision again, after it has asked, and what comes of it. `deployed`: the one that is. */
export function DeployAgain({ revision, deployed }: { revision: Revision; deployed: Revision | undefined }) {
  const [isAsked, setAsked] = useState(false)
  const submission = useSubmit('deploy')
  const ask = () => {
    submission.reset()
    setAsked(true)
  }
  return (
    <div class="actions">
      <div role="group" aria-label={`Act on revision ${revision.revision}`}>
        <button type="button" onClick={ask}>
          Deploy this one again…
        </button>
      </div>
      {submission.request && <Outcome key={submission.request.reqid} accepted={submission.request} />}
      {isAsked && (
        <Ask
          revision={revision.revision}
          deployed={deployed?.revision}
          submission={submission}
          onClose={() => setAsked(false)}
        />
      )}
    </div>
  )
}

function Ask({
  revision,
  deployed,
  submission: { submit, isBusy, failure },
  onClose
}: {
  revision: number
  deployed: number | undefined
  submission: Submission
  onClose: () => void
}) {
  const [how, change] = useHow()
  const go = async (event: Event) => {
    event.preventDefault()
    if ((await submit({ ...argsOf(how), revision })) !== undefined) onClose()
  }
  return (
    <Dialog title={`Deploy revision ${revision} again?`} onClose={onClose}>
      <form onSubmit={go}>
        {revision === deployed ? (
          <p>It is deployed: hosts are brought to it once more.</p>
        ) : (
          <Instead revision={revision} deployed={deployed} />
        )}
        <ul>
          <li>Nodes that do not differ are left alone, others are started, stopped and restarted.</li>
          <li>It becomes a revision of its own, and is staged, in place of what is staged now.</li>
          <li>Options, feeds of intelligence, and which nodes an operator has stopped, stay as they are.</li>
        </ul>
        <HowFields how={how} onChange={change} faults={faultsIn(failure)} placeholder={`revision ${revision} again`} />
        {failure && (
          <p role="alert" class="notice bad text">
            {plain(failure.message)}
          </p>
        )}
        <DialogButtons label="Deploy" isDisabled={isBusy} onCancel={onClose} />
      </form>
    </Dialog>
  )
}

/** How a revision differs from the deployed one. */
function Instead({ revision, deployed }: { revision: number; deployed: number | undefined }) {
  const { value, failure } = useDifference(revision, deployed)
  return (
    <p role="status">
      In place of revision {deployed}, which is deployed:{' '}
      <strong>
        {value
          ? summaryOf(value)
          : failure
            ? `the difference could not be read: ${plain(failure.message)}.`
            : 'comparing…'}
      </strong>
    </p>
  )
}

function Outcome({ accepted }: { accepted: ClusterRequest }) {
  const request = useRequest(accepted.reqid, accepted) ?? accepted
  return (
    <>
      <RequestProgress accepted={accepted} nodes={[]} />
      <DeploymentEnding request={request} />
    </>
  )
}
