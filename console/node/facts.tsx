import { Link } from '../parts/link.js'
import { useCluster } from '../context.js'
import { plain } from '../model/format.js'
import { roleOf } from '../model/node-rows.js'
import type { Node } from '../model/types.js'
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
