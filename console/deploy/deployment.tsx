import { useMemo } from 'preact/hooks'
import { Link } from '../parts/link.js'
import { useCluster } from '../context.js'
import type { TrackedRequest } from '../model/cluster.js'
import { hasDeployed, isPlanRefused, revisionOf, stepsOf, type NodeStep } from '../model/deployment.js'
import { plain } from '../model/format.js'
import type { Node } from '../model/types.js'
import { RequestProgress, useRequest } from '../parts/request-progress.js'
import { StateMark } from '../parts/state-mark.js'
import { More, useMore } from './more.js'
import { useArrival, useDesk, type Accepted } from './desk.js'
import type { Work } from './work.js'

/** What becomes of a deployment. */
export function Deployment({ work }: { work: Work }) {
  const deployment = useDesk(({ state }) => state.deployment)
  return deployment ? <Progress key={deployment.request.reqid} deployment={deployment} work={work} /> : null
}

function Progress({ deployment: { request: accepted, nodes }, work }: { deployment: Accepted; work: Work }) {
  const request: TrackedRequest = useRequest(accepted.reqid, accepted) ?? accepted
  const heading = useArrival(accepted.reqid)
  const now = useNodesByName()
  const steps = useMemo(() => stepsOf(request, nodes, now), [request, nodes, now])
  const isChecked = (request.arguments as { check?: boolean } | undefined)?.check !== false
  const revision = revisionOf(request)
  const isBusy = useDesk(({ state }) => state.busy !== undefined)
  const asked = Date.parse(request.created_at)
  const hasBegun =
    request.results.length > 0 ||
    (request.waiting ?? []).length > 0 ||
    nodes.some(name => Date.parse(now.get(name)?.since ?? '') >= asked)
  return (
    <section aria-labelledby="deployment">
      <h2 id="deployment" ref={heading} tabIndex={-1}>
        Deployment
      </h2>
      <RequestProgress accepted={accepted} nodes={nodes} />
      {request.state === 'pending' && isChecked && !hasBegun && (
        <p>The nodes are checked first: nothing is changed until all of them have passed.</p>
      )}
      {request.state === 'succeeded' && (
        <p>
          <StateMark tone="good" /> All nodes are as the configuration says. <Link href="/nodes">Nodes</Link>
        </p>
      )}
      {revision !== undefined && (
        <p>
          It is <Link href={`/revisions/${revision}`}>revision {revision}</Link>.
        </p>
      )}
      {request.state !== 'pending' && !hasDeployed(request) ? (
        <>
          <p>
            <strong>Nothing was changed:</strong> what runs goes on as before.
          </p>
          {isPlanRefused(request) && (
            <p class="buttons">
              <button type="button" aria-disabled={isBusy} onClick={() => work.plan()}>
                Plan anew
              </button>
            </p>
          )}
        </>
      ) : (
        <Steps steps={steps} />
      )}
    </section>
  )
}

function useNodesByName(): ReadonlyMap<string, Node> {
  const groups = useCluster(({ nodes }) => nodes)
  return useMemo(() => new Map([...groups.values()].flat().map(node => [node.node, node])), [groups])
}

const stepsShown = 40
const titles: Record<NodeStep['phase'], string> = {
  failed: 'failed',
  busy: 'at work',
  waiting: 'to come',
  done: 'done'
}

/** How far each node is; of many only those about which there is something to say. */
function Steps({ steps }: { steps: readonly NodeStep[] }) {
  const more = useMore(stepsShown)
  const counts = (['failed', 'busy', 'waiting', 'done'] as const)
    .map(phase => ({ phase, count: steps.filter(step => step.phase === phase).length }))
    .filter(({ count }) => count > 0)
  return (
    <details class="steps" open={steps.length <= stepsShown}>
      <summary>{counts.map(({ phase, count }) => `${count} ${titles[phase]}`).join(', ')}</summary>
      <ul aria-label="Nodes of the deployment">
        {steps.slice(0, more.shown).map(({ node, tone, text }) => (
          <li key={node}>
            <StateMark tone={tone} /> <Link href={`/nodes/${encodeURIComponent(node)}`}>{plain(node)}</Link>{' '}
            <span class="aside text">{plain(text)}</span>
          </li>
        ))}
      </ul>
      <More {...more} total={steps.length} step={stepsShown} what="nodes" />
    </details>
  )
}
