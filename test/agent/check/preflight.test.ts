import t from 'tap'
import type { AssignedNode, Layout } from '../../../schemas/agent.js'
import { hostProbes as thisHost, type HostProbes } from '../../../src/agent/check/host-probes.js'
import { diskFindings, preflight, surroundingsOf } from '../../../src/agent/check/preflight.js'
import { goodHost } from '../../support/agent.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv, standIn } from '../../support/environment.js'

const node: AssignedNode = {
  name: 'worker-1',
  instance: 'a',
  role: 'WORKER',
  interface: 'eth0',
  port: 2200,
  metrics_port: 9001
}
const layout: Layout = { backend: 'zeromq', nodes: [{ name: 'worker-1', role: 'WORKER', host: '10.0.0.1' }] }
const zeek = { path: '/opt/zeek/bin/zeek', version: '9.0.0', zeekPath: '.' }

/** What is found of a node on a host that is good but for this. */
async function found(
  facts: Partial<HostProbes>,
  more: Partial<AssignedNode> = {},
  cluster: Layout = layout,
  own: number[] = [],
  ownPorts: number[] = []
): Promise<string[]> {
  const changed = { ...node, ...more }
  const surroundings = await surroundingsOf(
    [changed],
    { host: { ...goodHost, ...facts }, layout: cluster, zeek },
    () => ({
      pids: new Set(own),
      ports: new Set(ownPorts)
    })
  )
  return (await preflight(changed, surroundings, cleanEnv)).map(({ level, message }) => `${level}: ${message}`)
}

await t.test('a good host has nothing against a node', async t => {
  t.same(await found({}), [])
})

await t.test('interfaces', async t => {
  t.same(await found({ interface: async () => 'missing' }), ['error: interface eth0 does not exist'])
  t.same(await found({ interface: async () => 'down' }, { interface: 'af_packet::eth1' }), [
    'error: interface eth1 is down'
  ])
  t.same(await found({ interface: async () => 'no carrier' }, { interface: 'pcap::eth1' }), [
    'warning: interface eth1 has no carrier'
  ])
  const missing = { interface: async () => 'missing' as const }
  for (const unknown of ['any', 'netmap::eth0', 'napatech::1', '/tmp/x.pcap', 'eth0:1']) {
    t.same(await found(missing, { interface: unknown }), [], unknown)
  }
})

await t.test('whether packets may be read', async t => {
  t.same(await found({ maySniff: async () => false }), [
    'error: /opt/zeek/bin/zeek may not read packets: the capability CAP_NET_RAW is missing'
  ])
  t.same(await found({ maySniff: async () => undefined }, { interface: 'any' }), [
    'warning: whether /opt/zeek/bin/zeek may read packets (CAP_NET_RAW) cannot be told'
  ])
  t.same(await found({ maySniff: async () => false }, { interface: 'netmap::eth0' }), [])
  const { interface: _, ...manager } = node
  const surroundings = await surroundingsOf(
    [manager],
    { host: { ...goodHost, maySniff: async () => false }, layout, zeek },
    () => ({ pids: new Set(), ports: new Set() })
  )
  t.same(await preflight(manager, surroundings, cleanEnv), [])
})

await t.test('limits that would not hold are warnings, and asked for only where there are some', async t => {
  const asked: object[] = []
  const obstacles = async (limits: object) => {
    asked.push(limits)
    return ['memory_max: there is no cgroup', 'nice: it may not']
  }
  t.same(await found({ obstacles }), [])
  t.same(await found({ obstacles }, { memory_max: 1 << 30, nice: -5 }), [
    'warning: runs without memory_max: there is no cgroup',
    'warning: runs without nice: it may not'
  ])
  t.same(asked, [{ memory_max: 1 << 30, nice: -5 }])
})

await t.test('ports, and who holds them', async t => {
  const held = (port: number, address = '0.0.0.0') => ({
    listeners: async () => [{ address, port, holder: { pid: 77, name: 'nginx', ancestors: [5] } }]
  })
  t.same(await found(held(9001)), ['error: metrics port 9001 is held by nginx (process 77)'])
  t.same(await found(held(2200)), ['warning: port 2200 is held by nginx (process 77)'])
  t.same(await found(held(2200), {}, { ...layout, backend: 'broker' }), [
    'error: port 2200 is held by nginx (process 77)'
  ])
  t.same(await found(held(9001, '10.0.0.2')), [])
  t.same(await found(held(9001, '10.0.0.1')), ['error: metrics port 9001 is held by nginx (process 77)'])
  t.same(await found({ listeners: async () => [{ address: '0.0.0.0', port: 9001 }] }), [
    'error: metrics port 9001 is held by a process of another user'
  ])
  const hub = { ...layout, hub: { node: 'worker-1', host: '10.0.0.1', xpub_port: 5555, xsub_port: 5556 } }
  t.same(await found(held(5556), {}, hub), ['error: ZeroMQ port 5556 is held by nginx (process 77)'])
  t.same(await found(held(5556), {}, { ...hub, hub: { ...hub.hub, node: 'manager' } }), [])
  t.same(
    [await found(held(9001), {}, layout, [77]), await found(held(9001), {}, layout, [5])],
    [[], []],
    'what our own nodes and their children hold will be free'
  )
  t.same(
    await found({ listeners: async () => [{ address: '0.0.0.0', port: 9001 }] }, {}, layout, [], [9001]),
    [],
    'one of ours whose process is not to be seen'
  )
  const looks = [[{ address: '0.0.0.0', port: 9001 }], []]
  t.same(
    await found({ listeners: async () => looks.shift()! }),
    [],
    "a process that ends while its socket is looked at is in nobody's way"
  )
})

await t.test('processors', async t => {
  const facts = { unpinnable: async (cpu: number) => `CPU ${cpu} cannot be used` }
  t.same(await found(facts), [])
  t.same(await found(facts, { cpu_affinity: 99 }), ['error: CPU 99 cannot be used'])
})

await t.test('room on the disk', async t => {
  const free = async (percent: number | undefined) =>
    (await diskFindings({ ...goodHost, free: async () => percent }, '/var/x')).map(
      ({ level, message }) => `${level}: ${message}`
    )
  t.same(await free(5), [])
  t.same(await free(4.94), ['warning: 4.9 % of the file system of /var/x is free'])
  t.same(await free(0.5), ['error: 0.5 % of the file system of /var/x is free'])
  t.match(await free(undefined), [/^warning: .* cannot be told$/])
})

await t.test('what this host says', async t => {
  t.equal(await thisHost.interface('nosuchif'), 'missing')
  t.equal(await thisHost.interface('lo'), 'up')
  t.equal(await thisHost.unpinnable(0, { PATH: directoryOf(t) }), 'taskset is not installed')
  t.match(await thisHost.unpinnable(4095, cleanEnv), /^CPU 4095 cannot be used \(online: .+\): /)
  t.ok((await thisHost.free('/'))! >= 0)
  t.equal(await thisHost.free('/nosuchdirectory'), undefined)
  t.not(await thisHost.maySniff(standIn), false, 'of a script it cannot be told')
})
