import { shortId } from '../model/bundles.js'
import { plain } from '../model/format.js'
import type { Revision } from '../model/revisions.js'
import { toneOfRequest } from '../model/states.js'
import { Link } from '../parts/link.js'
import { StateMark } from '../parts/state-mark.js'
import { Time } from '../parts/time.js'

/** What is known of a revision without its configuration. */
export function RevisionFacts({
  revision: { created_at: at, created_by: by, outcome, deployed, comment, reqid, config_id: id, bundle, nodes }
}: {
  revision: Revision
}) {
  return (
    <section aria-label="The revision">
      <dl>
        <dt>Outcome</dt>
        <dd>
          <StateMark tone={toneOfRequest(outcome)} /> {outcome}
          {deployed && <strong>, deployed now</strong>}
        </dd>
        <dt>When</dt>
        <dd>
          <Time at={at} form="day" />
          {by !== undefined && ` by ${plain(by)}`}, <Link href={`/requests/${reqid}`}>request</Link>
        </dd>
        <dt>Comment</dt>
        <dd class="comment">{comment === undefined ? 'none' : plain(comment)}</dd>
        <dt>Nodes</dt>
        <dd>{nodes}</dd>
        <dt>Bundle</dt>
        <dd>
          {bundle === undefined ? (
            'none'
          ) : (
            <Link href={`/content/${bundle}`}>
              <code title={bundle}>{shortId(bundle)}</code>
            </Link>
          )}
        </dd>
        <dt>Configuration</dt>
        <dd>
          <code>{plain(id)}</code>
        </dd>
      </dl>
    </section>
  )
}
