import t from 'tap'
import type { Layout } from '../../schemas/agent.js'
import { renderLayout } from '../../src/zeek/layout.js'

const cluster: Layout = {
  backend: 'zeromq',
  nodes: [
    { name: 'manager', role: 'MANAGER', host: '10.0.0.1', port: 2200, metrics_port: 9000 },
    { name: 'logger-1', role: 'LOGGER', host: '10.0.0.1', port: 2201 },
    { name: 'proxy-1', role: 'PROXY', host: '10.0.0.2', port: 2202 },
    { name: 'worker-1', role: 'WORKER', host: 'fd00::7', metrics_port: 9001 }
  ]
}

await t.test('a layout has a line for each node, with what is known of it', async t => {
  t.equal(
    renderLayout(cluster, '10.0.0.2'),
    `# Written by zeek-cluster-controller; the next deployment overwrites it.

redef Cluster::nodes += {
\t["manager"] = [$node_type=Cluster::MANAGER, $ip=10.0.0.1, $p=2200/tcp, $metrics_port=9000/tcp],
\t["logger-1"] = [$node_type=Cluster::LOGGER, $ip=10.0.0.1, $p=2201/tcp, $manager="manager"],
\t["proxy-1"] = [$node_type=Cluster::PROXY, $ip=10.0.0.2, $p=2202/tcp, $manager="manager"],
\t["worker-1"] = [$node_type=Cluster::WORKER, $ip=[fd00::7], $manager="manager", $metrics_port=9001/tcp],
};

redef Cluster::manager_is_logger = F;

@load base/frameworks/telemetry/options
redef Telemetry::metrics_address = "10.0.0.2";
redef Telemetry::metrics_port = Cluster::local_node_metrics_port();
`
  )
})

await t.test('without a logger the manager writes the logs', async t => {
  t.notMatch(
    renderLayout({ ...cluster, nodes: cluster.nodes.filter(({ role }) => role !== 'LOGGER') }, '10.0.0.1'),
    'manager_is_logger'
  )
})

await t.test('without a manager nobody has one', async t => {
  t.notMatch(
    renderLayout({ ...cluster, nodes: cluster.nodes.filter(({ role }) => role !== 'MANAGER') }, '10.0.0.1'),
    '$manager'
  )
})

await t.test('metrics are served at an IPv6 address, too', async t => {
  t.match(renderLayout(cluster, '::1'), 'metrics_address = "[::1]"')
})
