import t from 'tap'
import type { Layout } from '../../../schemas/agent.js'
import type { ClusterConfiguration, ClusterNode } from '../../../schemas/types.js'
import { trafficOf, type Rekeying, type TrafficContext } from '../../../src/controller/cluster/traffic.js'
import type { Deployment } from '../../../src/store/configurations.js'

const ofAll: Rekeying = { rotate: false, isStepwise: false }
const rotating: Rekeying = { rotate: true, isStepwise: false }
const inSteps: Rekeying = { rotate: false, isStepwise: true }

/** A manager and a worker at these addresses. */
function planned(
  hosts: readonly [string, string],
  { worker = {}, backend = 'zeromq' }: { worker?: Partial<ClusterNode>; backend?: Layout['backend'] } = {}
): { configuration: ClusterConfiguration; layout: Layout } {
  const nodes: ClusterNode[] = [
    { name: 'manager', instance: 'a', role: 'MANAGER' },
    { name: 'worker', instance: 'b', role: 'WORKER', ...worker }
  ]
  return {
    configuration: { id: 'c', instances: [{ name: 'a' }, { name: 'b' }], nodes },
    layout: { backend, nodes: nodes.map(({ name, role }, n) => ({ name, role, host: hosts[n]! })) }
  }
}
const context = (deployed?: Deployment, others: Partial<TrafficContext> = {}): TrafficContext => ({
  settings: { controller_cluster_encryption: 'auto', controller_metrics_listen: 'loopback' },
  deployed,
  machineOf: instance => `machine of ${instance}`,
  ...others
})
const rule = (encryption: 'auto' | 'always' | 'never', listen: 'loopback' | 'host' = 'loopback') => ({
  settings: { controller_cluster_encryption: encryption, controller_metrics_listen: listen }
})
/** What is deployed once this traffic was decided on. */
const deployedWith = (plan: ReturnType<typeof planned>, { curve, metricsHost }: ReturnType<typeof trafficOf>) => ({
  ...plan,
  layout: { ...plan.layout, ...(metricsHost !== undefined && { metrics_host: metricsHost }) },
  ...(curve && { curve })
})

const one = planned(['10.0.0.1', '10.0.0.1'])
const two = planned(['10.0.0.1', '10.0.0.2'])
const local = planned(['127.0.0.1', '127.0.0.1'])
const encrypted = deployedWith(two, trafficOf(two, context(), ofAll))

await t.test(
  'a cluster that spans hosts is encrypted from its first deployment on, one of one host is not',
  async t => {
    t.match(encrypted.curve, { server_publickey: /^.{40}$/ })
    t.match(trafficOf(one, context(), ofAll), { curve: undefined, warnings: [], errors: [] })
    t.ok(trafficOf(one, context(undefined, rule('always')), ofAll).curve)
    t.match(trafficOf(two, context(undefined, rule('never')), ofAll), { curve: undefined, warnings: [] })
  }
)

await t.test('keys stay the same from one deployment to the next, in steps or not, on fewer hosts, too', async t => {
  for (const plan of [two, one, planned(['10.0.0.1', '10.0.0.3'])]) {
    for (const how of [ofAll, inSteps]) {
      t.match(trafficOf(plan, context(encrypted), how), { curve: encrypted.curve, warnings: [], errors: [] })
    }
  }
})

await t.test('new keys are made when they are asked for', async t => {
  const { curve, errors } = trafficOf(two, context(encrypted), rotating)
  t.same(errors, [])
  const before = Object.values(encrypted.curve!)
  t.equal(Object.values(curve!).filter(key => before.includes(key)).length, 0, 'none of them is an old one')
})

await t.test('a cluster that comes to span hosts is encrypted from then on, unless in steps', async t => {
  t.ok(trafficOf(two, context(one), ofAll).curve)
  t.match(trafficOf(two, context(one), inSteps), {
    curve: undefined,
    warnings: [/is not encrypted: deploy with rotate_keys/],
    errors: []
  })
})

await t.test('one that was deployed without keys stays so, with a warning, until they are asked for', async t => {
  t.match(trafficOf(two, context(two), ofAll), {
    curve: undefined,
    warnings: [/is not encrypted: deploy with rotate_keys/]
  })
  t.ok(trafficOf(two, context(two), rotating).curve)
  t.match(trafficOf(one, context(one), ofAll), { curve: undefined, warnings: [] })
})

await t.test('nodes with keys of their own, and those that use Broker, get none', async t => {
  for (const worker of [
    { env: { ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_CLIENT_PUBLICKEY: 'x' } },
    { options: { 'Cluster::Backend::ZeroMQ::curve_server_publickey': 'x' } }
  ]) {
    const plan = planned(['10.0.0.1', '10.0.0.2'], { worker })
    t.match(trafficOf(plan, context(), ofAll), { curve: undefined, warnings: [], errors: [] })
    t.match(trafficOf(plan, context(encrypted), inSteps), { errors: [/the keys of all nodes change/] })
    t.match(trafficOf(plan, context(encrypted), ofAll), { errors: [] })
  }
  const broker = planned(['10.0.0.1', '10.0.0.2'], { backend: 'broker' })
  t.match(trafficOf(broker, context(), ofAll), { curve: undefined, warnings: [] })
})

await t.test('where nothing is to be encrypted any more, no key changes in steps', async t => {
  t.match(trafficOf(two, context(encrypted, rule('never')), inSteps), { curve: encrypted.curve, errors: [] })
  t.match(trafficOf(two, context(encrypted, rule('never')), ofAll), { curve: undefined, errors: [] })
})

await t.test('metrics are on loopback from the first deployment on, and stay where they are', async t => {
  t.equal(encrypted.layout.metrics_host, '127.0.0.1')
  t.equal(trafficOf(one, context(), ofAll).metricsHost, '127.0.0.1')
  t.equal(trafficOf(local, context(), ofAll).metricsHost, undefined, 'there they are anyway')
  t.equal(trafficOf(two, context(two), ofAll).metricsHost, undefined, 'an upgrade moves none')
  t.equal(trafficOf(two, context(encrypted), inSteps).metricsHost, '127.0.0.1')
  t.equal(trafficOf(two, context(two), rotating).metricsHost, '127.0.0.1')
  t.equal(trafficOf(two, context(encrypted, rule('auto', 'host')), ofAll).metricsHost, undefined)
  const machineOf = () => 'one machine'
  t.equal(trafficOf(two, context(undefined, { machineOf }), ofAll).metricsHost, undefined, 'ports could be the same')
  t.equal(trafficOf(one, context(undefined, { machineOf }), ofAll).metricsHost, '127.0.0.1')
})
