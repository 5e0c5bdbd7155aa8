import t from 'tap'
import type { AssignedNode, Layout } from '../../schemas/agent.js'
import { defaultsScript, nodeScript, renderCommand, renderEnvironment } from '../../src/zeek/command.js'

const worker: AssignedNode = {
  name: 'worker-1',
  instance: 'a',
  role: 'WORKER',
  interface: 'eth0',
  scripts: ['site/b', 'site/a'],
  options: { 'Log::x': '1hr', 'A::set': '{"a","b c"}' }
}
const hub = { node: 'manager', host: '10.0.0.1', xpub_port: 5555, xsub_port: 5556 }
const zeromq: Layout = { backend: 'zeromq', nodes: [], hub }
const paths = { scripts: '/state/cluster', zeekPath: '.:/opt/zeek' }

await t.test(
  'a command has the backend first, then our defaults, the interface, the scripts in their order, ours, and last the script of the options, without their values',
  async t => {
    t.same(renderCommand(worker, { backend: 'broker', nodes: [] }, '/opt/zeek/bin/zeek'), [
      '/opt/zeek/bin/zeek',
      'policy/frameworks/cluster/backend/broker',
      defaultsScript,
      '-i',
      'eth0',
      'site/b',
      'site/a',
      nodeScript,
      '-e',
      '@load nodes/worker-1/options.zeek'
    ])
    t.equal(renderCommand(worker, zeromq, 'zeek').at(-1), '@load nodes/worker-1/options.zeek')
  }
)

await t.test('a node without interface, scripts and options has a short command', async t => {
  t.same(renderCommand({ name: 'm', instance: 'a', role: 'MANAGER' }, { backend: 'broker', nodes: [] }, 'zeek'), [
    'zeek',
    'policy/frameworks/cluster/backend/broker',
    defaultsScript,
    nodeScript
  ])
})

await t.test('with ZeroMQ the connections cross, and only the hub runs the proxy', async t => {
  const options = (name: string) =>
    renderCommand({ ...worker, name }, zeromq, 'zeek')
      .filter(arg => arg.includes('ZeroMQ::'))
      .map(arg => arg.replace('Cluster::Backend::ZeroMQ::', ''))
  const endpoints = [
    'listen_xpub_endpoint=tcp://10.0.0.1:5555',
    'listen_xsub_endpoint=tcp://10.0.0.1:5556',
    'connect_xpub_endpoint=tcp://10.0.0.1:5556',
    'connect_xsub_endpoint=tcp://10.0.0.1:5555'
  ]
  t.same(options('manager'), ['run_proxy_thread=T', ...endpoints])
  t.same(options('worker-1'), ['run_proxy_thread=F', ...endpoints])
  t.equal(renderCommand(worker, zeromq, 'zeek')[1], 'policy/frameworks/cluster/backend/zeromq')
})

await t.test('a ZeroMQ hub with an IPv6 address says so', async t => {
  const command = renderCommand(worker, { ...zeromq, hub: { ...hub, host: 'fd00::1' } }, 'zeek')
  t.ok(command.includes('Cluster::Backend::ZeroMQ::listen_xpub_endpoint=tcp://[fd00::1]:5555'))
  t.ok(command.includes('Cluster::Backend::ZeroMQ::ipv6=T'))
  t.notOk(renderCommand(worker, zeromq, 'zeek').some(arg => arg.includes('ipv6')))
})

await t.test('without a hub, or with Broker, there are no endpoints', async t => {
  for (const layout of [
    { backend: 'zeromq', nodes: [] },
    { ...zeromq, backend: 'broker' }
  ] as Layout[]) {
    t.notOk(renderCommand(worker, layout, 'zeek').some(arg => arg.includes('ZeroMQ::')))
  }
})

await t.test('a pinned node runs through taskset, CPU 0 as well', async t => {
  t.same(renderCommand({ ...worker, cpu_affinity: 0 }, zeromq, 'zeek').slice(0, 4), ['taskset', '-c', '0', 'zeek'])
})

await t.test('a node inherits what it needs, and no secret of ours', async t => {
  const own = {
    PATH: '/bin',
    HOME: '/root',
    LANG: 'C',
    LC_ALL: 'C',
    TZ: 'UTC',
    LD_LIBRARY_PATH: '/lib',
    ZEEK_PLUGIN_PATH: '/p',
    ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_X: 'k',
    ZEEK_CONTROLLER_TOKEN: 'secret',
    ZEEK_AGENT_NAME: 'x',
    ZEEK_MANAGEMENT_NODE: 'AGENT',
    AWS_SECRET: 'secret',
    NODE_OPTIONS: '--inspect',
    NODE_CHANNEL_FD: '3',
    MY_PATH: '/x',
    PATHS: 'x',
    CLUSTER_NODE: 'other',
    ZEEKPATH: '/other',
    EMPTY: undefined
  }
  t.same(renderEnvironment(worker, paths, own), {
    PATH: '/bin',
    HOME: '/root',
    LANG: 'C',
    LC_ALL: 'C',
    TZ: 'UTC',
    LD_LIBRARY_PATH: '/lib',
    ZEEK_PLUGIN_PATH: '/p',
    ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_X: 'k',
    CLUSTER_NODE: 'worker-1',
    ZEEKPATH: '/state/cluster:.:/opt/zeek'
  })
})

await t.test("a node's own environment wins over what it inherits, and not over what makes it this node", async t => {
  const env = { PATH: '/mine', MSG: 'hello', CLUSTER_NODE: 'other', ZEEKPATH: '/my/scripts' }
  t.same(renderEnvironment({ ...worker, env }, paths, { PATH: '/bin', TZ: 'UTC' }), {
    PATH: '/mine',
    TZ: 'UTC',
    MSG: 'hello',
    CLUSTER_NODE: 'worker-1',
    ZEEKPATH: '/state/cluster:/my/scripts'
  })
})

await t.test('where logs go is told by the environment, which nobody overrides', async t => {
  const env = { ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: '/other' }
  t.match(renderEnvironment({ ...worker, env }, paths, {}, { queue: '/spool/log-queue', interval: 0.5 }), {
    ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: '/spool/log-queue',
    ZEEK_CLUSTER_CONTROLLER_ROTATION_INTERVAL: '0.5'
  })
  t.notOk(
    Object.keys(renderEnvironment(worker, paths, { ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: '/ours' })).some(name =>
      /LOG_QUEUE/.test(name)
    )
  )
})
