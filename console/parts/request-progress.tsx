import { useEffect, useState } from 'preact/hooks'
import { Link } from './link.js'
import { api, useCluster, useShared } from '../context.js'
import { isTakenBack } from '../model/deployment.js'
import { nameOf } from '../model/event-words.js'
import { counted, plain } from '../model/format.js'
import { named } from '../model/selection.js'
import { toneOfRequest } from '../model/states.js'
import type { TrackedRequest } from '../model/cluster.js'
import type { ClusterRequest, RequestResult } from '../model/types.js'
import { Findings } from './findings.js'
import { Output } from './output.js'
import { RolloutProgress } from './rollout.js'
import { StateMark } from './state-mark.js'

/** Returns a request as the stream tells of it; one that it does not know any more is read once. */
export function useRequest(reqid: string, accepted?: ClusterRequest): TrackedRequest | undefined {
  const { stream } = useShared()
  const tracked = useCluster(({ requests }) => requests.get(reqid))
  const [read, setRead] = useState<ClusterRequest | undefined>(accepted)
  const isOver = (request: ClusterRequest | undefined) => request !== undefined && request.state !== 'pending'
  useEffect(() => {
    // It stays known when the stream begins anew.
    if (isOver(tracked)) return setRead(tracked)
    if (isOver(read)) return
    // Also when the stream has begun anew: its snapshot holds only what is pending.
    const closing = new AbortController()
    const timer = setTimeout(
      () => {
        void api.GET('/v1/requests/{reqid}', { params: { path: { reqid } }, signal: closing.signal }).then(
          ({ data }) => setRead(data),
          () => {}
        )
      },
      accepted === undefined ? 0 : 1500
    )
    return () => {
      clearTimeout(timer)
      closing.abort()
    }
  }, [reqid, tracked === undefined, isOver(tracked), stream.link])
  return isOver(tracked) ? tracked : isOver(read) ? read : (tracked ?? read)
}

/**
 * Shows how far a request is, and what came of it, with a link to the request. `nodes`: those that it is about.
 * `hasTable`: what came of each node is shown elsewhere.
 */
export function RequestProgress({
  accepted,
  nodes,
  hasTable = false
}: {
  accepted: ClusterRequest
  nodes: readonly string[]
  hasTable?: boolean
}) {
  const request: TrackedRequest = useRequest(accepted.reqid, accepted) ?? accepted
  const { state, results, waiting = [], warnings, rollout } = request
  const ofNodes = results.filter(({ node }) => node !== undefined)
  const total = Math.max(nodes.length, new Set(ofNodes.map(({ node }) => node)).size)
  const done = new Set(ofNodes.map(({ node }) => node)).size
  return (
    <div class={`progress ${toneOfRequest(state)}`}>
      <p role="status">
        <StateMark tone={toneOfRequest(state)} /> {nameOf(request.type)}: <strong>{state}</strong>
        {total > 0 && !rollout && `, ${done} of ${counted(total, 'node')}`}{' '}
        <Link href={`/requests/${request.reqid}`}>Request</Link>
      </p>
      {state === 'pending' && rollout && <RolloutProgress request={request} rollout={rollout} />}
      {state === 'pending' && !rollout && total > 0 && (
        <progress max={total} value={done} aria-label={`${nameOf(request.type)}: nodes that are done`} />
      )}
      {state === 'pending' && !rollout && waiting.length > 0 && (
        <p>
          Waits for{' '}
          {waiting
            .slice(0, 8)
            .map(({ node, state: step, seconds }) => `${plain(node)} (${step}, ${seconds} s)`)
            .join(', ')}
          {waiting.length > 8 && ` and ${waiting.length - 8} more`}
        </p>
      )}
      {warnings.map(warning => (
        <p key={warning}>{plain(warning)}</p>
      ))}
      <Failures results={hasTable ? results.filter(({ node }) => node === undefined) : results} />
    </div>
  )
}

const failuresShown = 20

/** What has failed, with the last outputs of nodes that have; those that only went back with the others in a line. */
export function Failures({ results }: { results: readonly RequestResult[] }) {
  const failed = results.filter(result => !result.success && !isTakenBack(result))
  const back = results.filter(isTakenBack)
  if (failed.length === 0) return null
  return (
    <ul class="failures">
      {failed.slice(0, failuresShown).map(({ instance, node, error = 'failed', data }, index) => (
        <li key={`${node} ${instance} ${index}`}>
          <StateMark tone="bad" />{' '}
          {node === undefined ? plain(instance ?? '') : <Link href={`/nodes/${node}`}>{node}</Link>}{' '}
          <span class="text">{plain(error)}</span>
          {data?.findings && data.findings.length > 1 && <Findings findings={data.findings} />}
          <Output name={`stderr of ${node ?? instance ?? 'it'}`} text={data?.stderr} />
          <Output name={`stdout of ${node ?? instance ?? 'it'}`} text={data?.stdout} />
        </li>
      ))}
      {failed.length > failuresShown && <li>and {failed.length - failuresShown} more</li>}
      {back.length > 0 && (
        <li>
          <StateMark tone="doubt" /> {counted(back.length, 'node')} taken back:{' '}
          <span class="text">{named(back.map(({ node = '' }) => ({ node })))}</span>
        </li>
      )}
    </ul>
  )
}
