import { Link } from '../parts/link.js'
import { useCluster } from '../context.js'
import { concernsNode } from '../model/complaints.js'
import { plain } from '../model/format.js'
import { ofNodes } from '../model/selection.js'
import { Diagnose } from '../node/diagnosis.js'
import { Facts } from '../node/facts.js'
import { StateHistory } from '../node/history.js'
import { IdValue } from '../node/id-value.js'
import { NodeOutput } from '../node/output.js'
import { Statistics } from '../node/statistics.js'
import { NodeActions } from '../parts/actions.js'
import { Complaints } from '../parts/complaints.js'
import { Page } from '../parts/page.js'
import { NodeStateText } from '../parts/state-mark.js'

/** One node: how it is, what it was, what it writes, uses and sees. */
export function NodePage({ name }: { name: string }) {
  // Its instance's nodes are replaced together; of this one only what is its own counts.
  const node = useCluster(({ nodes }) => {
    for (const group of nodes.values()) {
      const found = group.find(one => one.node === name)
      if (found) return found
    }
    return undefined
  })
  if (!node) {
    return (
      <Page title={plain(name)} help="nodes">
        <p class="notice doubt">
          No node of this name is deployed now. <Link href="/nodes">All nodes</Link>
        </p>
        <StateHistory name={name} node={undefined} />
      </Page>
    )
  }
  if (node.mgmt_role !== 'NODE') {
    return (
      <Page title={plain(name)} help="glossary" actions={<NodeStateText state={node.state} />}>
        <Facts node={node} />
      </Page>
    )
  }
  return (
    <Page title={plain(name)} help="nodes" actions={<NodeStateText state={node.state} />}>
      <NodeActions of={ofNodes([node])} />
      <Complaints about={reason => concernsNode(reason, name)} />
      <div class="columns">
        <Facts node={node} />
        <StateHistory name={name} node={node} />
      </div>
      <Statistics name={name} hasPackets={node.cluster_role === 'WORKER'} />
      <NodeOutput name={name} />
      <div class="columns">
        <Diagnose name={name} />
        <IdValue name={name} />
      </div>
    </Page>
  )
}
