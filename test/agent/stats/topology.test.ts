import fc from 'fast-check'
import t from 'tap'
import { Topology } from '../../../schemas/topology.js'
import { checker } from '../../../schemas/validator.js'
import { readTopology } from '../../../src/agent/stats/topology.js'
import { invalid } from '../../../src/errors.js'
import { directoryOf } from '../../support/directory.js'
import { cpusOf, numberings, writeHost, writeInterface, type Numbering } from '../../support/machine.js'
import { runs } from '../../support/runs.js'

const idsIn = ({ cpus }: Topology) => cpus.map(({ id }) => id)
const system = 'sys/devices/system'

await t.test('two sockets with two threads a core, as Linux numbers them', async t => {
  const root = writeHost(directoryOf(t), cpusOf({ sockets: 2, cores: 8, threads: 2 }))
  const { cpus, ...rest } = await readTopology(root)
  t.same(
    [0, 7, 8, 16, 31].map(id => cpus[id]),
    [
      { id: 0, core: 0, socket: 0, numa: 0 },
      { id: 7, core: 7, socket: 0, numa: 0 },
      { id: 8, core: 8, socket: 1, numa: 1 },
      { id: 16, core: 0, socket: 0, numa: 0 },
      { id: 31, core: 15, socket: 1, numa: 1 }
    ]
  )
  t.equal(cpus.length, 32)
  t.same(rest, { interfaces: [] })
})

await t.test('machines of every shape are read as they are', async t => {
  const shape = fc.record({
    sockets: fc.integer({ min: 1, max: 3 }),
    cores: fc.integer({ min: 1, max: 5 }),
    threads: fc.integer({ min: 1, max: 4 }),
    numbering: fc.constantFrom(...(Object.keys(numberings) as Numbering[]))
  })
  await fc.assert(
    fc.asyncProperty(shape, async shape => {
      const cpus = cpusOf(shape)
      t.same((await readTopology(writeHost(directoryOf(t), cpus))).cpus, cpus)
    }),
    { numRuns: runs(20) }
  )
})

await t.test('a virtual machine that tells of no cores has CPUs all the same', async t => {
  const root = writeHost(directoryOf(t), [{ id: 0 }, { id: 1 }, { id: 2 }])
  t.same(await readTopology(root), { cpus: [{ id: 0 }, { id: 1 }, { id: 2 }], interfaces: [] })
})

await t.test('older kernels call the list of siblings otherwise', async t => {
  const siblings = (id: number) => ({ [`${system}/cpu/cpu${id}/topology/thread_siblings_list`]: '0,2' })
  const root = writeHost(directoryOf(t), [{ id: 0 }, { id: 2 }], { ...siblings(0), ...siblings(2) })
  t.same((await readTopology(root)).cpus, [
    { id: 0, core: 0 },
    { id: 2, core: 0 }
  ])
})

await t.test('CPUs that are offline, or not for this process, are left out', async t => {
  const cpus = cpusOf({ sockets: 1, cores: 8, threads: 1 })
  const ids = async (files: Record<string, string | undefined>) =>
    idsIn(await readTopology(writeHost(directoryOf(t), cpus, files)))
  const status = (list: string) => ({ 'proc/self/status': `Name:\tx\nCpus_allowed_list:\t${list}` })
  t.same(await ids({ [`${system}/cpu/online`]: '0-2,5' }), [0, 1, 2, 5])
  t.same(await ids({ ...status('2-3,6') }), [2, 3, 6])
  t.same(await ids({ ...status('0-63'), [`${system}/cpu/online`]: '0-3' }), [0, 1, 2, 3])
  const group = { 'proc/self/cgroup': '0::/zeek.slice/zeek.service' }
  const effective = (at: string, list: string) => ({ [`sys/fs/cgroup${at}/cpuset.cpus.effective`]: list })
  t.same(await ids({ ...group, ...effective('/zeek.slice', '4-7') }), [4, 5, 6, 7])
  t.same(
    await ids({ ...group, ...effective('', '0-7'), ...effective('/zeek.slice', '4-7'), ...effective('/other', '0') }),
    [4, 5, 6, 7]
  )
  t.same(await ids({ ...effective('', '1') }), [1], 'in a container the root is its own')
  t.same(await ids({ ...effective('', '') }), [0, 1, 2, 3, 4, 5, 6, 7], 'an empty list says nothing')
})

await t.test('isolated CPUs are told, though processes are not allowed there', async t => {
  const cpus = cpusOf({ sockets: 1, cores: 4, threads: 1 }).map(cpu =>
    cpu.id < 2 ? cpu : { ...cpu, isolated: true as const }
  )
  const read = async (files: Record<string, string>) =>
    (await readTopology(writeHost(directoryOf(t), cpus, { 'proc/self/status': 'Cpus_allowed_list:\t0-1', ...files })))
      .cpus
  t.same(await read({}), cpus)
  const older = { 'proc/self/cgroup': '3:cpuset:/zeek\n0::/', 'sys/fs/cgroup/cpuset/zeek/cpuset.effective_cpus': '0-2' }
  t.same(await read(older), cpus.slice(0, 3), 'but for those that a cpuset forbids')
})

await t.test('the quota is the least that a cgroup allows', async t => {
  const quota = async (files: Record<string, string | undefined>) =>
    (await readTopology(writeHost(directoryOf(t), [{ id: 0 }], files))).quota
  const group = { 'proc/self/cgroup': '0::/a/b' }
  t.equal(await quota({ ...group, 'sys/fs/cgroup/a/b/cpu.max': 'max 100000' }), undefined)
  t.equal(await quota({ ...group, 'sys/fs/cgroup/a/b/cpu.max': '250000 100000' }), 2.5)
  t.equal(
    await quota({
      ...group,
      'sys/fs/cgroup/a/b/cpu.max': '800000 100000',
      'sys/fs/cgroup/a/cpu.max': '300000 50000',
      'sys/fs/cgroup/b/cpu.max': '1 1'
    }),
    6
  )
  t.equal(await quota({ 'proc/self/cgroup': '0::/../..', 'sys/fs/cgroup/cpu.max': '50000 100000' }), 0.5)
  const first = { 'proc/self/cgroup': '4:cpu,cpuacct:/zeek\n1:name=systemd:/x\n0::/' }
  const at = 'sys/fs/cgroup/cpu,cpuacct/zeek'
  t.equal(await quota({ ...first, [`${at}/cpu.cfs_quota_us`]: '-1', [`${at}/cpu.cfs_period_us`]: '100000' }), undefined)
  t.equal(await quota({ ...first, [`${at}/cpu.cfs_quota_us`]: '400000', [`${at}/cpu.cfs_period_us`]: '100000' }), 4)
})

await t.test('interfaces have the NUMA node of their device, or of the devices that they are made of', async t => {
  const root = writeHost(directoryOf(t), cpusOf({ sockets: 2, cores: 2, threads: 1 }))
  const write = (name: string, shape: Parameters<typeof writeInterface>[2]) => writeInterface(root, name, shape)
  write('eth0', { numa: -1, queues: 4 })
  write('eth1', { numa: 1, queues: 8 })
  write('eth2', { numa: 1, queues: 6 })
  write('eth3', { numa: 0, queues: 2 })
  write('ens5', { numa: 1, isVirtio: true })
  write('lo', {})
  write('bond0', { queues: 16, below: ['eth1', 'eth2'] })
  write('bond1', { queues: 16, below: ['eth2', 'eth3'] })
  write('bond2', { queues: 16, below: ['eth0', 'eth2'] })
  write('bond3', { queues: 16 })
  write('bond0.100', { below: ['bond0'] })
  write('ring', { below: ['ring'] })
  write('gone', { below: ['ghost'] })
  const { interfaces } = await readTopology(root)
  t.same(interfaces, [
    { name: 'bond0', numa: 1, queues: 8 },
    { name: 'bond0.100', numa: 1, queues: 8 },
    { name: 'bond1', queues: 6 },
    { name: 'bond2', queues: 6 },
    { name: 'bond3', queues: 16 },
    { name: 'ens5', numa: 1, queues: 1 },
    { name: 'eth0', queues: 4 },
    { name: 'eth1', numa: 1, queues: 8 },
    { name: 'eth2', numa: 1, queues: 6 },
    { name: 'eth3', numa: 0, queues: 2 },
    { name: 'gone', queues: 1 },
    { name: 'lo', queues: 1 },
    { name: 'ring', queues: 1 }
  ])
})

await t.test('what is not there, or makes no sense, is absent', async t => {
  const root = directoryOf(t)
  t.same(await readTopology(root), { cpus: [], interfaces: [] })
  t.same(await readTopology(`${root}/ghost`), { cpus: [], interfaces: [] })
  const status = { 'proc/self/status': 'Cpus_allowed_list:\t0-1' }
  const noSys = { [`${system}/cpu/online`]: undefined, [`${system}/cpu/isolated`]: undefined }
  t.same(await readTopology(writeHost(directoryOf(t), [], { ...status, ...noSys })), {
    cpus: [{ id: 0 }, { id: 1 }],
    interfaces: []
  })
  const odd = writeHost(directoryOf(t), [{ id: 0 }], {
    [`${system}/cpu/online`]: '0,x',
    [`${system}/cpu/cpu0/topology/core_cpus_list`]: '99999',
    [`${system}/cpu/cpu0/topology/physical_package_id`]: '-1',
    [`${system}/node/nodex/cpulist`]: '0',
    [`${system}/node/node1/cpulist`]: 'all',
    'proc/self/cgroup': 'nonsense\n0::/',
    'sys/fs/cgroup/cpu.max': '0 0'
  })
  t.same(await readTopology(odd), { cpus: [{ id: 0 }], interfaces: [] })
})

await t.test('this machine fits the schema', async t => {
  const topology = await readTopology()
  t.doesNotThrow(() => checker(Topology, invalid)(topology, 'topology'))
  t.ok(topology.cpus.length > 0)
})
