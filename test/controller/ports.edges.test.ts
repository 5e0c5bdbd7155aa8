import t from 'tap'
import { assignPorts, type PortRules } from '../../src/controller/ports.js'
import { plan } from '../../src/controller/plan.js'
import type { Node } from '../../schemas/types.js'

const rules: PortRules = { controllerPorts: [2150], brokerStart: 2200, metricsStart: 9000, zeromqStart: 5555, agentStart: 27800 }

await t.test('a broker port is not one that another node has for its metrics', async t => {
  const nodes: Node[] = [{ name: 'm', instance: 'a', role: 'MANAGER' }, { name: 'w', instance: 'a', role: 'WORKER', metrics_port: 2200 }]
  const assigned = assignPorts([{ name: 'a' }], nodes, () => ({ host: '10.0.0.1', machine: 'm' }), rules)
  t.not(assigned.nodes.find(({ name }) => name === 'm')?.port, 2200)
})

// One agent of the host is known with its machine, the other's machine is taken to be the address.
await t.test('two instances on one host, one not yet seen, do not get the same ports for their agents', async t => {
  const nodes: Node[] = [{ name: 'm', instance: 'a', role: 'MANAGER' }, { name: 'w', instance: 'b', role: 'WORKER' }]
  const instances = [{ name: 'a', host: '10.0.0.1' }, { name: 'b', host: '10.0.0.1' }]
  for (const seen of ['a', 'b']) {
    const { agentPorts } = plan({ id: 'c', instances, nodes }, new Map([[seen, { host: '10.0.0.1', machine: 'boot' }]]), rules, 'zeromq')
    t.not(agentPorts.m, agentPorts.w, `${seen} was seen`)
  }
})
