import t from 'tap'
import { assignPorts, type PortRules } from '../../../src/controller/cluster/ports.js'
import type { ClusterNode } from '../../../schemas/types.js'

const rules: PortRules = { controllerPorts: [2150], brokerStart: 2200, metricsStart: 9000, zeromqStart: 5555 }

await t.test('a broker port is not one that another node has for its metrics', async t => {
  const nodes: ClusterNode[] = [
    { name: 'm', instance: 'a', role: 'MANAGER' },
    { name: 'w', instance: 'a', role: 'WORKER', metrics_port: 2200 }
  ]
  const assigned = assignPorts([{ name: 'a' }], nodes, () => '10.0.0.1', rules)
  t.not(assigned.nodes.find(({ name }) => name === 'm')?.port, 2200)
})
