import type { ComponentChildren } from 'preact'
import { culpritOf, endingOf } from '../model/deployment.js'
import { plain } from '../model/format.js'
import type { ClusterRequest } from '../model/types.js'
import { Link } from './link.js'
import { StateMark } from './state-mark.js'

/** What has come of a deployment that is over, and where to look next. `children`: what else can be done. */
export function DeploymentEnding({ request, children }: { request: ClusterRequest; children?: ComponentChildren }) {
  const ending = endingOf(request)
  if (!ending) return null
  const { kind, revision } = ending
  const isRight = request.state === 'succeeded'
  const culprit = isRight ? undefined : culpritOf(request)
  return (
    <div class="ending">
      {isRight && (
        <p>
          <StateMark tone="good" /> All nodes are as the configuration says. <Link href="/nodes">Nodes</Link>
        </p>
      )}
      {kind === 'deployed' && revision !== undefined && (
        <p>
          It is <RevisionLink of={revision} />.
        </p>
      )}
      {kind === 'reverted' && (
        <p>
          <strong>What was before is deployed:</strong>{' '}
          {revision === undefined ? 'the nodes that were changed went back' : <RevisionLink of={revision} />}.
          {request.arguments.revision === undefined &&
            ' The configuration that failed is still staged: correct it, and deploy again.'}
        </p>
      )}
      {kind === 'stopped' && revision !== undefined && (
        <p>
          <strong>It has stopped on its way:</strong> the nodes that were changed are of <RevisionLink of={revision} />,
          the others as they were. Deploy it again to go on, or <Link href="/revisions">an earlier one</Link> to go
          back.
        </p>
      )}
      {kind === 'nothing' && (
        <p>
          <strong>Nothing was changed:</strong> what runs goes on as before.
        </p>
      )}
      {kind === 'unknown' && (
        <p>
          <strong>Its end was not seen:</strong> nodes stay as they are. <Link href="/revisions">Revisions</Link> say
          what is deployed, and up to where.
        </p>
      )}
      {(culprit !== undefined || children) && (
        <p class="buttons">
          {children}
          {culprit !== undefined && (
            <Link href={`/nodes/${encodeURIComponent(culprit)}`}>What {plain(culprit)} has written</Link>
          )}
        </p>
      )}
    </div>
  )
}

const RevisionLink = ({ of: revision }: { of: number }) => (
  <Link href={`/revisions/${revision}`}>revision {revision}</Link>
)
