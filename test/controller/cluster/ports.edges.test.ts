import t from 'tap'
import { assignPorts, type PortRules } from '../../../src/controller/cluster/ports.js'
import { ClusterConfigurationInput, type ClusterNode } from '../../../schemas/types.js'

const rules: PortRules = { controllerPorts: [2150], brokerStart: 2200, metricsStart: 9000, zeromqStart: 5555 }

await t.test('a broker port is not one that another node has for its metrics', async t => {
  const nodes: ClusterNode[] = [
    { name: 'm', instance: 'a', role: 'MANAGER' },
    { name: 'w', instance: 'a', role: 'WORKER', metrics_port: 2200 }
  ]
  const assigned = assignPorts([{ name: 'a' }], nodes, () => '10.0.0.1', rules)
  t.not(assigned.nodes.find(({ name }) => name === 'm')?.port, 2200)
})

await t.test('the largest configuration gets its ports', async t => {
  const instances = Array.from({ length: ClusterConfigurationInput.properties.nodes.maxItems! / 10 }, (_, n) => ({
    name: `a${n}`
  }))
  const each = Array.from({ length: 10 }, (_, n) => n)
  const nodes = instances.flatMap(({ name: instance }) =>
    each.map((n): ClusterNode => ({ name: `${instance}-w${n}`, instance, role: 'WORKER', interface: 'e' }))
  )
  const { nodes: assigned } = assignPorts(instances, nodes, instance => instance, rules)
  const ports = new Set(assigned.map(({ metrics_port: port }) => port))
  t.same(
    [...ports],
    each.map(n => rules.metricsStart! + n)
  )
})
