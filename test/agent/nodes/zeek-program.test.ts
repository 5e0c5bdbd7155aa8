import t from 'tap'
import type { AssignedNode, Share } from '../../../schemas/agent.js'
import { formerTagOf, inStartOrder, layoutOf, programOf } from '../../../src/agent/nodes/zeek-program.js'
import { createCurveKeys } from '../../../src/zeek/curve-keys.js'
import { settingsOf } from '../../support/settings.js'

const worker: AssignedNode = {
  name: 'worker-1',
  instance: 'a',
  role: 'WORKER',
  interface: 'eth0',
  scripts: ['a', 'b'],
  options: { 'A::b': '1' },
  env: { X: '1', Y: '2' }
}
const share: Share = {
  config_id: 'c1',
  layout: { backend: 'zeromq', nodes: [{ name: 'worker-1', role: 'WORKER', host: '10.0.0.7' }] },
  nodes: [worker]
}
const zeek = { path: '/opt/zeek/bin/zeek', version: '9.0.0', zeekPath: '.:/opt' }
const settings = settingsOf({ 'management-state-dir': '/state' })

interface Change {
  node?: Partial<AssignedNode>
  share?: Partial<Share>
  zeek?: Partial<typeof zeek>
  flags?: Record<string, string>
  env?: NodeJS.ProcessEnv
}
function make({ node = {}, share: otherShare = {}, zeek: otherZeek = {}, flags, env = { PATH: '/bin' } }: Change = {}) {
  const changed = { ...worker, ...node }
  return programOf(
    changed,
    { ...share, nodes: [changed], ...otherShare },
    { ...zeek, ...otherZeek },
    { settings: flags ? settingsOf({ 'management-state-dir': '/state', ...flags }) : settings, env }
  )
}

await t.test('a node becomes a program in a directory of its own', async t => {
  t.match(make(), {
    name: 'worker-1',
    kind: 'detached',
    cwd: '/state/nodes/worker-1',
    command: ['/opt/zeek/bin/zeek'],
    env: { X: '1', PATH: '/bin', CLUSTER_NODE: 'worker-1', ZEEKPATH: '/state/cluster:.:/opt' },
    stopTimeoutMs: 20_000,
    restart: { initialMs: 1000, maxMs: 60_000, resetMs: 60_000, maxFailures: 10 },
    output: { directory: '/state/nodes/worker-1', maxBytes: 10_485_760 }
  })
})

await t.test('its limits are those of the program', t => {
  t.strictSame(make({ node: { memory_max: 1 << 30, nice: -5 } }).limits, { memory_max: 1 << 30, nice: -5 })
  t.strictSame(make({ node: { nice: 0 } }).limits, { nice: 0 })
  t.notOk('limits' in make())
  t.end()
})

await t.test('what a node is made of changes its tag', async t => {
  const changes: Record<string, Change> = {
    interface: { node: { interface: 'eth1' } },
    role: { share: { layout: { ...share.layout, nodes: [{ name: 'worker-1', role: 'PROXY', host: '10.0.0.7' }] } } },
    'order of scripts': { node: { scripts: ['b', 'a'] } },
    option: { node: { options: { 'A::b': '2' } } },
    memory_max: { node: { memory_max: 1 << 30 } },
    nice: { node: { nice: 0 } },
    env: { node: { env: { X: '1', Y: '3' } } },
    'env removed': { node: { env: { X: '1' } } },
    cpu: { node: { cpu_affinity: 0 } },
    layout: { share: { layout: { ...share.layout, nodes: [] } } },
    'metrics address': {
      share: { layout: { ...share.layout, nodes: [{ name: 'worker-1', role: 'WORKER', host: '10.0.0.8' }] } }
    },
    backend: { share: { layout: { ...share.layout, backend: 'broker' } } },
    hub: { share: { layout: { ...share.layout, hub: { node: 'm', host: '10.0.0.1', xpub_port: 1, xsub_port: 2 } } } },
    zeek: { zeek: { path: '/other/zeek' } },
    'search path': { zeek: { zeekPath: '/x' } }
  }
  const { tag } = make()
  const tags = Object.entries(changes).map(([name, change]) => {
    t.not(make(change).tag, tag, name)
    return make(change).tag
  })
  t.equal(new Set(tags).size, tags.length)
})

await t.test('what it is not made of does not change its tag', async t => {
  const { tag } = make()
  const changes: Record<string, Change> = {
    id: { share: { config_id: 'c2' } },
    'order of env': { node: { env: { Y: '2', X: '1' } } },
    shell: { env: { PATH: '/usr/bin', TZ: 'UTC', LANG: 'C' } },
    version: { zeek: { version: '9.0.1' } },
    policy: { flags: { 'agent-restart-delay': '7', 'agent-stop-timeout': '9', 'agent-name': 'other' } },
    'other nodes': { share: { nodes: [worker, { ...worker, name: 'worker-2' }] } }
  }
  for (const [name, change] of Object.entries(changes)) t.equal(make(change).tag, tag, name)
})

await t.test('with ZeroMQ a worker needs none of the other workers, and all others do', async t => {
  const with2 = (backend: 'zeromq' | 'broker') => ({
    layout: {
      ...share.layout,
      backend,
      nodes: [...share.layout.nodes, { name: 'worker-2', role: 'WORKER' as const, host: '10.0.0.9', metrics_port: 9 }]
    }
  })
  t.equal(make({ share: with2('zeromq') }).tag, make().tag)
  t.not(make({ share: with2('broker') }).tag, make({ share: { layout: { ...share.layout, backend: 'broker' } } }).tag)
  for (const role of ['MANAGER', 'LOGGER', 'PROXY'] as const) {
    t.not(make({ node: { role }, share: with2('zeromq') }).tag, make({ node: { role } }).tag, role)
  }
  const former = (of: Share) => formerTagOf(worker, of, zeek, { settings, env: {} })
  t.not(former({ ...share, ...with2('zeromq') }), former(share), 'before, the whole layout counted')
})

await t.test(
  'nodes have the keys of their share in their environment, and the secret of the server where they listen',
  async t => {
    const curve = createCurveKeys()
    const layoutWith = (...roles: AssignedNode['role'][]) => ({
      ...share.layout,
      nodes: roles.map(role => ({ name: role.toLowerCase(), role, host: '10.0.0.7' }))
    })
    const keysIn = (node: Partial<AssignedNode>, layout = layoutWith('MANAGER', 'LOGGER', 'PROXY', 'WORKER')) =>
      Object.entries(make({ node, share: { layout, curve } }).env)
        .filter(([name]) => name.includes('CURVE'))
        .map(([name, key]) => [name.replace('ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_', '').toLowerCase(), key])
    const { server_secretkey: _secret, ...ofClients } = curve
    for (const role of ['WORKER', 'PROXY', 'MANAGER'] as const) {
      t.same(Object.fromEntries(keysIn({ name: role.toLowerCase(), role })), ofClients, role)
    }
    t.same(Object.fromEntries(keysIn({ name: 'logger', role: 'LOGGER' })), curve, 'a logger')
    t.same(Object.fromEntries(keysIn({ role: 'MANAGER' }, layoutWith('MANAGER', 'WORKER'))), curve, 'without loggers')
    const hub = { node: 'worker-1', host: '10.0.0.7', xpub_port: 5555, xsub_port: 5556 }
    t.same(Object.fromEntries(keysIn({}, { ...share.layout, hub })), curve, 'the hub')
    const inherited = { ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_CLIENT_SECRETKEY: 'of the agent' }
    t.match(make({ share: { curve }, env: inherited }).env, {
      ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_CLIENT_SECRETKEY: curve.client_secretkey
    })
    t.match(make({ env: inherited }).env, inherited)
    t.notMatch(JSON.stringify(make({ share: { curve } }).command), 'CURVE')
  }
)

await t.test('other keys are another program, and none leave it as it was', async t => {
  const [one, other] = [createCurveKeys(), createCurveKeys()]
  const tags = [{}, { curve: one }, { curve: other }].map(share => make({ share }).tag)
  t.equal(new Set(tags).size, 3)
  t.equal(make({ share: { curve: one } }).tag, tags[1])
})

await t.test('the layout of an instance serves metrics at its own address, or where it says', async t => {
  t.match(layoutOf(share), 'metrics_address = "10.0.0.7"')
  t.match(layoutOf({ ...share, nodes: [] }), 'metrics_address = "127.0.0.1"')
  t.match(layoutOf({ ...share, layout: { ...share.layout, metrics_host: '127.0.0.1' } }), '_address = "127.0.0.1"')
})

await t.test('nodes start by role, each role in the order given', async t => {
  const nodes = (['WORKER', 'PROXY', 'WORKER', 'MANAGER', 'LOGGER'] as const).map((role, n) => ({
    node: { ...worker, name: `${n}`, role }
  }))
  t.same(
    inStartOrder(nodes).map(group => group.map(({ node }) => node.name)),
    [['3'], ['4'], ['1'], ['0', '2']]
  )
  t.same(inStartOrder([]), [])
  t.equal(make({ node: { role: 'MANAGER' } }).stopOrder, 0)
  t.equal(make().stopOrder, 3)
})

await t.test('those that write logs are told where to leave them: loggers, without any the manager', async t => {
  const roles = ['MANAGER', 'LOGGER', 'PROXY', 'WORKER'] as const
  const writers = (present: readonly (typeof roles)[number][], flags: Record<string, string> = {}) => {
    const layout = { ...share.layout, nodes: present.map(role => ({ name: role, role, host: '10.0.0.7' })) }
    return present.flatMap(
      role => make({ node: { name: role, role }, share: { layout }, flags }).env.ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE ?? []
    ).length
  }
  t.equal(writers(roles), 1)
  t.equal(writers(['MANAGER', 'PROXY', 'WORKER']), 1)
  t.equal(writers(['PROXY', 'WORKER']), 0)
  const logger = (flags: Record<string, string>) => make({ node: { role: 'LOGGER' }, flags })
  t.match(logger({}).env, {
    ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: '/state/spool/log-queue',
    ZEEK_CLUSTER_CONTROLLER_ROTATION_INTERVAL: '3600'
  })
  t.match(logger({ 'management-spool-dir': '/spool/', 'agent-rotation-interval': '0.5' }).env, {
    ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: '/spool/log-queue',
    ZEEK_CLUSTER_CONTROLLER_ROTATION_INTERVAL: '0.5'
  })
  t.not(logger({ 'management-spool-dir': '/spool' }).tag, logger({}).tag)
  t.not(logger({ 'agent-rotation-interval': '60' }).tag, logger({}).tag)
  t.equal(make({ flags: { 'agent-rotation-interval': '60' } }).tag, make().tag, 'a worker has nothing to do with it')
})
