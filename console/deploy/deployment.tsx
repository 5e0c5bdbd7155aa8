import { useMemo, useRef } from 'preact/hooks'
import { Link } from '../parts/link.js'
import { useCluster, useMay } from '../context.js'
import type { TrackedRequest } from '../model/cluster.js'
import { endingOf, isPlanRefused, stepsOf, type NodeStep } from '../model/deployment.js'
import { plain } from '../model/format.js'
import type { ClusterRequest, Node } from '../model/types.js'
import { DeploymentEnding } from '../parts/deployment-ending.js'
import { RequestProgress, useRequest } from '../parts/request-progress.js'
import { StateMark } from '../parts/state-mark.js'
import { More, useMore } from './more.js'
import { useArrival, useDesk, type Accepted } from './desk.js'
import type { Work } from './work.js'

/** What becomes of a deployment; and of one in steps that is under way, whoever has begun it. */
export function Deployment({ work }: { work: Work }) {
  const own = useDesk(({ state }) => state.deployment)
  const underWay = useCluster(({ requests }) => [...requests.values()].find(({ rollout }) => rollout !== undefined))
  // It stays when it is over.
  const seen = useRef<ClusterRequest>()
  seen.current = underWay ?? seen.current
  const other = seen.current?.reqid === own?.request.reqid ? undefined : seen.current
  return (
    <>
      {own && <Progress key={own.request.reqid} id="deployment" title="Deployment" deployment={own} work={work} />}
      {other && (
        <Progress
          key={other.reqid}
          id="rollout"
          title="Deployment in steps"
          deployment={{ request: other, nodes: [] }}
        />
      )}
    </>
  )
}

function Progress({
  id,
  title,
  deployment: { request: accepted, nodes },
  work
}: {
  id: string
  title: string
  deployment: Accepted
  /** Undefined where it is not of the text that is edited. */
  work?: Work
}) {
  const request: TrackedRequest = useRequest(accepted.reqid, accepted) ?? accepted
  const heading = useArrival(accepted.reqid)
  const now = useNodesByName()
  const steps = useMemo(() => stepsOf(request, nodes, now), [request, nodes, now])
  const isChecked = (request.arguments as { check?: boolean } | undefined)?.check !== false
  const mayAct = useMay('operator')
  const ending = endingOf(request)
  const hasStopped = ending?.kind === 'reverted' || ending?.kind === 'stopped'
  const isOverOrAtOnce = ending === undefined ? request.rollout === undefined : ending.kind !== 'nothing'
  const isBusy = useDesk(({ state }) => state.busy !== undefined)
  const asked = Date.parse(request.created_at)
  const hasBegun =
    request.rollout !== undefined ||
    request.results.length > 0 ||
    (request.waiting ?? []).length > 0 ||
    nodes.some(name => Date.parse(now.get(name)?.since ?? '') >= asked)
  return (
    <section aria-labelledby={id}>
      <h2 id={id} ref={heading} tabIndex={-1}>
        {title}
      </h2>
      <RequestProgress accepted={accepted} nodes={nodes} />
      {request.state === 'pending' && isChecked && !hasBegun && (
        <p>The nodes are checked first: nothing is changed until all of them have passed.</p>
      )}
      <DeploymentEnding request={request}>
        {work && isPlanRefused(request) && (
          <button type="button" aria-disabled={isBusy} onClick={() => work.plan()}>
            Plan anew
          </button>
        )}
        {work && hasStopped && mayAct && (
          <button type="button" aria-disabled={isBusy} onClick={() => work.prepare()}>
            Deploy again…
          </button>
        )}
      </DeploymentEnding>
      {/* Of one in steps the steps are shown while it is under way. */}
      {isOverOrAtOnce && steps.length > 0 && <Steps steps={steps} />}
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
