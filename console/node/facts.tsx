import { Link } from 'wouter-preact'
import { useCluster } from '../context.js'
import { plain } from '../model/format.js'
import { roleOf } from '../model/node-rows.js'
import type { Health, Node } from '../model/types.js'
import { NodeStateText, StateMark } from '../parts/state-mark.js'
import { Ago, Time } from '../parts/time.js'

/** What is known of a node now. */
export function Facts({ node }: { node: Node }) {
  const { state, desired_state: desired, mgmt_role: management, since, reason, responding, restarts, pid } = node
  return (
    <section aria-labelledby="facts" class="facts">
      <h2 id="facts">Now</h2>
      <dl>
        <dt>State</dt>
        <dd>
          <NodeStateText state={state} />
          {reason !== undefined && reason !== '' && <span class="text">: {plain(reason)}</span>}
          {responding === false && (
            <>
              {' '}
              <StateMark tone="doubt" /> its process runs and does not answer
            </>
          )}
        </dd>
        {since !== undefined && (
          <>
            <dt>Since</dt>
            <dd>
              <Time at={since} form="day" />{' '}
              <span class="aside">
                (<Ago at={since} />)
              </span>
            </dd>
          </>
        )}
        {desired !== undefined && (
          <>
            <dt>Desired</dt>
            <dd>
              {desired}
              {desired === 'STOPPED' && <span class="aside"> until it is started</span>}
            </dd>
          </>
        )}
        <dt>Role</dt>
        <dd>{roleOf(node)}</dd>
        <dt>Host</dt>
        <dd>
          <HostLink name={node.instance} />
        </dd>
        {management === 'NODE' && (
          <>
            <dt>Restarts</dt>
            <dd>{restarts ?? '-'}</dd>
          </>
        )}
        <dt>Process</dt>
        <dd>{pid ?? '-'}</dd>
        {node.port !== undefined && (
          <>
            <dt>Port</dt>
            <dd>{node.port}</dd>
          </>
        )}
        {node.metrics_port !== undefined && (
          <>
            <dt>Metrics port</dt>
            <dd>{node.metrics_port}</dd>
          </>
        )}
      </dl>
    </section>
  )
}

function HostLink({ name }: { name: string }) {
  const isConnected = useCluster(({ instances }) => instances.get(name)?.connected ?? false)
  return (
    <>
      <Link href={`/hosts/${name}`}>{name}</Link>
      {!isConnected && (
        <span class="state">
          {' '}
          <StateMark tone="doubt" /> not connected: what is shown was so before
        </span>
      )}
    </>
  )
}

/** Why the cluster is not ready, as far as a node or an instance has to do with it. */
export function Complaints({ about }: { about: (reason: Health['reasons'][number]) => boolean }) {
  const health = useCluster(cluster => cluster.health)
  const reasons = (health?.reasons ?? []).filter(about)
  if (reasons.length === 0) return null
  return (
    <div class="notice bad" role="group" aria-label="Health">
      <ul class="reasons">
        {reasons.map(({ code, message, node }) => (
          <li key={`${code} ${node} ${message}`}>{plain(message)}</li>
        ))}
      </ul>
    </div>
  )
}
