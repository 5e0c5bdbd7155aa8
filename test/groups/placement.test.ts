import fc from 'fast-check'
import t from 'tap'
import type { Topology, TopologyCpu, TopologyInterface } from '../../schemas/topology.js'
import { placeWorkers, type PlacementTask } from '../../src/groups/placement.js'
import { groupBy } from '../../src/util.js'
import { cpusOf, numberings, type Numbering } from '../support/machine.js'
import { runs } from '../support/runs.js'

const eth1: TopologyInterface = { name: 'eth1', numa: 1, queues: 8 }
const hostOf = (cpus: TopologyCpu[], more: Partial<Topology> = {}): Topology => ({
  cpus,
  interfaces: [{ name: 'eth0', queues: 1 }, eth1],
  ...more
})
/** CPUs 0-7 and 16-23 are on socket 0, 8-15 and 24-31 on socket 1; 16 and 0 are one core. */
const large = hostOf(cpusOf({ sockets: 2, cores: 8, threads: 2 }))
const small = hostOf(cpusOf({ sockets: 1, cores: 4, threads: 1 }))

const plan = (
  group: Partial<PlacementTask['group']>,
  topology: Topology | undefined = large,
  taken: readonly number[] = []
) =>
  placeWorkers({
    group: { name: 'w', interface: 'af_packet::eth1', workers: 1, ...group },
    instance: 'a',
    topology,
    taken: new Set(taken)
  })
const placed = (...args: Parameters<typeof plan>) => {
  const done = plan(...args)
  if (done.error !== undefined) throw new Error(done.error)
  return done
}
const cpusFor = (...args: Parameters<typeof plan>) => placed(...args).placements.map(({ cpu }) => cpu)
const reasonsFor = (...args: Parameters<typeof plan>) => placed(...args).placements.map(({ reason }) => reason)
const errorOf = (...args: Parameters<typeof plan>) => plan(...args).error
/** One that has told nothing. */
const unknown = (group: Partial<PlacementTask['group']>) =>
  placeWorkers({
    group: { name: 'w', interface: 'eth1', workers: 1, ...group },
    instance: 'a',
    topology: undefined,
    taken: new Set()
  })

await t.test('workers are not pinned unless cpus is given', async t => {
  t.same(plan({ workers: 2 }), { placements: [{ reason: 'not pinned' }, { reason: 'not pinned' }], warnings: [] })
  t.same(unknown({ workers: 1 }), { placements: [{ reason: 'not pinned' }], warnings: [] })
})

await t.test('cpus: auto: cores near the interface, other cores, second threads, the core of CPU 0', async t => {
  t.same(
    cpusFor({ workers: 32, cpus: 'auto' }),
    // prettier-ignore
    [8, 9, 10, 11, 12, 13, 14, 15, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31, 17, 18, 19, 20, 21, 22, 23, 0, 16]
  )
  const reasons = reasonsFor({ workers: 32, cpus: 'auto' })
  t.same(
    [0, 8, 15, 23, 30].map(worker => reasons[worker]),
    [
      'CPU 8: physical core 8 of NUMA node 1, where eth1 is',
      'CPU 1: physical core 1 of NUMA node 0; eth1 is on node 1 (no core there was free)',
      'CPU 24: second thread of physical core 8 of NUMA node 1, where eth1 is (no whole core was free)',
      'CPU 17: second thread of physical core 1 of NUMA node 0; eth1 is on node 1 (no whole core was free)',
      'CPU 0: physical core 0 of NUMA node 0; eth1 is on node 1 (the kernel has most of its work here, and no other CPU was free)'
    ]
  )
})

await t.test('cpus: auto where threads are numbered one beside the other', async t => {
  const host = hostOf(cpusOf({ sockets: 2, cores: 2, threads: 2, numbering: 'threadsFirst' }))
  t.same(cpusFor({ workers: 8, cpus: 'auto' }, host), [4, 6, 2, 5, 7, 3, 0, 1])
})

await t.test('cpus: auto where little is known', async t => {
  t.same(cpusFor({ workers: 3, cpus: 'auto' }, hostOf([{ id: 0 }, { id: 1 }, { id: 2 }])), [1, 2, 0])
  t.same(reasonsFor({ cpus: 'auto' }, hostOf([{ id: 0 }, { id: 1 }])), ['CPU 1'])
  t.same(cpusFor({ workers: 'auto', cpus: 'auto' }, small), [1, 2, 3], 'none are on the node of the interface')
  t.same(reasonsFor({ cpus: 'auto', interface: 'eth0' }), ['CPU 1: physical core 1 of NUMA node 0'])
  t.same(reasonsFor({ cpus: 'auto', interface: 'ghost' }, small), ['CPU 1: physical core 1 of NUMA node 0'])
  t.same(cpusFor({ cpus: 'auto' }, hostOf([{ id: 0 }])), [0])
  t.same(
    cpusFor(
      { cpus: 'auto' },
      hostOf([
        { id: 16, core: 0 },
        { id: 3, core: 3 }
      ])
    ),
    [3],
    'of the core of CPU 0, too'
  )
})

await t.test('CPUs that others have are not chosen, and their siblings late', async t => {
  t.same(cpusFor({ workers: 8, cpus: 'auto' }, large, [8, 25]), [10, 11, 12, 13, 14, 15, 1, 2])
  t.same(cpusFor({ workers: 5, cpus: 'auto', numa: 1 }, large, [8, 9, 10, 11, 12, 13]), [14, 15, 24, 25, 26])
})

await t.test('numa is where all workers are, wherever the interface is', async t => {
  t.same(cpusFor({ workers: 4, cpus: 'auto', numa: 0 }), [1, 2, 3, 4])
  t.same(reasonsFor({ cpus: 'auto', numa: 0 }), ['CPU 1: physical core 1 of NUMA node 0; eth1 is on node 1'])
  t.equal(placed({ workers: 'auto', numa: 0 }).placements.length, 7)
  t.equal(
    errorOf({ workers: 17, cpus: 'auto', numa: 1 }),
    "group 'w': 17 workers, but instance 'a' has 16 CPUs that they may use: 8-15,24-31"
  )
  t.equal(errorOf({ cpus: 'auto', numa: 2 }), "group 'w': numa: instance 'a' has no CPUs on NUMA node 2 for them")
  t.equal(
    errorOf({ cpus: '7-9', numa: 1 }),
    "group 'w': cpus: CPU 7 of instance 'a' is not on NUMA node 1, which numa demands"
  )
  t.equal(errorOf({ numa: 1 }), "group 'w': numa has no meaning without cpus, or workers: auto")
})

await t.test('workers: auto: one for each free core near the interface but that of CPU 0', async t => {
  t.same(cpusFor({ workers: 'auto', cpus: 'auto' }), [8, 9, 10, 11, 12, 13, 14, 15])
  t.same(cpusFor({ workers: 'auto', cpus: 'auto' }, large, [9, 26]), [8, 11, 12, 13, 14, 15])
  t.equal(cpusFor({ workers: 'auto', cpus: 'auto', interface: 'eth0' }).length, 15, 'of all nodes, where it is unknown')
  t.same(cpusFor({ workers: 'auto', cpus: 'auto', interface: 'pcap::eth0' }, small), [1, 2, 3])
  t.same(placed({ workers: 'auto' }, large, [9]), {
    placements: Array(7).fill({
      reason: 'not pinned; 7 workers: 7 physical cores of NUMA node 1, where eth1 is, are free beside that of CPU 0'
    }),
    warnings: []
  })
})

await t.test('workers: auto is at least one, and no more than the quota', async t => {
  const quota = (quota: number) => hostOf(large.cpus, { quota })
  t.same(cpusFor({ workers: 'auto', cpus: 'auto' }, quota(2.9)), [8, 9])
  t.same(cpusFor({ workers: 'auto', cpus: 'auto' }, quota(0.5)), [8])
  t.same(
    reasonsFor({ workers: 'auto' }, quota(2)),
    Array(2).fill(
      'not pinned; 2 workers: 8 physical cores of NUMA node 1, where eth1 is, are free beside that of CPU 0, but the quota is 2 CPUs'
    )
  )
  t.same(cpusFor({ workers: 'auto', cpus: '2-9' }, quota(3)), [2, 3, 4])
  t.equal(cpusFor({ workers: 4, cpus: 'auto' }, quota(2)).length, 4, 'a number is what it says')
  t.same(placed({ workers: 'auto', cpus: 'auto' }, hostOf([{ id: 0 }])).warnings, [])
  const full = placed({ workers: 'auto', cpus: 'auto', numa: 1 }, large, [8, 9, 10, 11, 12, 13, 14, 15])
  t.same(full, {
    placements: [
      {
        cpu: 24,
        reason: 'CPU 24: second thread of physical core 8 of NUMA node 1, where eth1 is (no whole core was free)'
      }
    ],
    warnings: [
      "group 'w' on instance 'a': one worker: no physical core of NUMA node 1, where eth1 is, is free but that of CPU 0"
    ]
  })
})

await t.test('where the kernel isolates CPUs, they are for workers that are pinned', async t => {
  const host = hostOf(small.cpus.map(cpu => (cpu.id < 2 ? cpu : { ...cpu, isolated: true as const })))
  t.same(cpusFor({ workers: 'auto', cpus: 'auto', interface: 'eth0' }, host), [2, 3])
  t.equal(placed({ workers: 'auto', interface: 'eth0' }, host).placements.length, 1)
  t.same(cpusFor({ workers: 3, cpus: '1-3' }, host), [1, 2, 3])
  t.equal(
    errorOf({ workers: 3, cpus: 'auto', interface: 'eth0' }, host),
    "group 'w': 3 workers, but instance 'a' has 2 CPUs that they may use: 2-3"
  )
})

await t.test('workers that are not pinned have no place where all CPUs are isolated', async t => {
  const host = hostOf(small.cpus.map(cpu => ({ ...cpu, isolated: true as const })))
  t.equal(
    errorOf({ workers: 'auto' }, host),
    "group 'w': the kernel isolates all CPUs of instance 'a', so that workers need cpus: auto, or a list"
  )
  t.same(cpusFor({ workers: 'auto', cpus: 'auto' }, host), [1, 2, 3])
})

await t.test('a list is used in its order', async t => {
  t.same(placed({ workers: 2, cpus: '9,3,10' }), {
    placements: [
      { cpu: 9, reason: 'CPU 9, as cpus says: physical core 9 of NUMA node 1, where eth1 is' },
      { cpu: 3, reason: 'CPU 3, as cpus says: physical core 3 of NUMA node 0; eth1 is on node 1' }
    ],
    warnings: []
  })
  t.same(cpusFor({ workers: 'auto', cpus: '2-4,18' }), [2, 3, 4, 18])
  t.same(cpusFor({ workers: 2, cpus: '3-4' }, large, [3, 4]), [3, 4], 'whoever else has them')
  t.same(unknown({ workers: 'auto', cpus: '3-4' }), {
    placements: [3, 4].map(cpu => ({ cpu, reason: `CPU ${cpu}, as cpus says` })),
    warnings: []
  })
})

await t.test('what cannot be is told with what is wrong', async t => {
  const cases: [Partial<PlacementTask['group']>, string][] = [
    [{ workers: 20, cpus: '2-15' }, '20 workers, but cpus has 14: 2-15'],
    [{ workers: 1, cpus: '9-2' }, 'cpus: 9-2 is no list of CPUs, as 2-15,18'],
    [{ workers: 1, cpus: '9999' }, 'cpus: 9999 is no list of CPUs, as 2-15,18'],
    [{ workers: 1, cpus: '2-5,4' }, 'cpus: CPU 4 is there twice'],
    [{ workers: 1, cpus: '30-33,40' }, "cpus: instance 'a' does not have CPUs 32-33,40, it may use 0-31"],
    [{ workers: 1, cpus: '32' }, "cpus: instance 'a' does not have CPU 32, it may use 0-31"],
    [{ workers: 33, cpus: 'auto' }, "33 workers, but instance 'a' has 32 CPUs that they may use: 0-31"]
  ]
  for (const [group, error] of cases) t.equal(errorOf(group), `group 'w': ${error}`)
  t.equal(
    errorOf({ workers: 5, cpus: 'auto' }, small, [0, 2]),
    "group 'w': 5 workers, but instance 'a' has 2 CPUs that they may use: 1,3; others have 0,2"
  )
  t.equal(
    errorOf({ workers: 1, cpus: 'auto' }, small, [0, 1, 2, 3]),
    "group 'w': 1 workers, but instance 'a' has 0 CPUs that they may use; others have 0-3"
  )
  for (const [group, what] of [
    [{ workers: 'auto' }, 'workers'],
    [{ cpus: 'auto' }, 'cpus']
  ] as const) {
    const error = `group 'w': ${what}: auto needs the CPUs of instance 'a', which it does not tell: its agent is not connected, or cannot`
    t.same(unknown(group), { error, isUnknown: true })
    t.equal(errorOf(group, hostOf([])), error)
  }
})

await t.test('workers that get no packets are warned of', async t => {
  const warnings = (mode: string, workers: number, source = 'af_packet::eth1') =>
    placed({ workers, interface: source, options: { 'AF_Packet::fanout_mode': mode } }).warnings
  t.same(warnings('AF_Packet::FANOUT_QM', 10), [
    "group 'w' on instance 'a': eth1 has 8 receive queues, so that with FANOUT_QM 2 of 10 workers get no packets"
  ])
  t.same(warnings('AF_Packet::FANOUT_QM', 8), [])
  t.same(warnings('AF_Packet::FANOUT_HASH', 10), [])
  t.same(warnings('AF_Packet::FANOUT_QM', 10, 'af_packet::ghost'), [])
})

const anyHost = fc
  .record({
    sockets: fc.integer({ min: 1, max: 3 }),
    cores: fc.integer({ min: 1, max: 6 }),
    threads: fc.integer({ min: 1, max: 4 }),
    numbering: fc.constantFrom(...(Object.keys(numberings) as Numbering[])),
    gone: fc.array(fc.nat(60), { maxLength: 8 }),
    near: fc.option(fc.nat(2), { nil: undefined })
  })
  .map(({ gone, near, ...shape }) =>
    hostOf(
      cpusOf(shape).filter(({ id }) => !gone.includes(id)),
      { interfaces: [{ name: 'eth1', queues: 1, ...(near === undefined ? {} : { numa: near }) }] }
    )
  )
const anyTaken = fc.array(fc.nat(60), { maxLength: 12 })
const coreOf = (host: Topology, id: number | undefined) => host.cpus.find(cpu => cpu.id === id)!.core!

await t.test('whatever the host: no CPU twice, none that is taken, and no siblings while a core is free', async () => {
  fc.assert(
    fc.property(anyHost, anyTaken, fc.integer({ min: 1, max: 72 }), (host, taken, workers) => {
      const done = plan({ workers, cpus: 'auto' }, host, taken)
      const free = host.cpus.filter(({ id }) => !taken.includes(id))
      if (done.error !== undefined) return free.length < workers
      const cpus = done.placements.map(({ cpu }) => cpu!)
      const had = new Set([...taken, ...cpus])
      // The core of CPU 0 is not one for workers.
      const whole = [...groupBy(host.cpus, ({ core }) => core)].filter(
        ([core, threads]) => core !== 0 && threads.every(({ id }) => !had.has(id))
      )
      const perCore = [...groupBy(cpus, cpu => coreOf(host, cpu))]
      const shares = perCore.some(
        ([core, own]) =>
          own.length + taken.filter(id => host.cpus.some(cpu => cpu.id === id && cpu.core === core)).length > 1
      )
      const usesFirst = perCore.some(([core]) => core === 0)
      return (
        cpus.length === workers &&
        new Set(cpus).size === workers &&
        cpus.every(cpu => free.some(({ id }) => id === cpu)) &&
        (whole.length === 0 || (!shares && !usesFirst)) &&
        (!usesFirst || free.every(({ id, core }) => core === 0 || cpus.includes(id)))
      )
    }),
    { numRuns: runs(1000) }
  )
})

await t.test('whatever the host: no core of another node while one near the interface is free', async () => {
  fc.assert(
    fc.property(anyHost, anyTaken, fc.integer({ min: 1, max: 20 }), (host, taken, workers) => {
      const near = host.interfaces[0]!.numa
      const done = plan({ workers, cpus: 'auto' }, host, taken)
      if (done.error !== undefined || near === undefined) return true
      const cpus = done.placements.map(({ cpu }) => cpu!)
      const had = new Set([...taken, ...cpus])
      const left = [...groupBy(host.cpus, ({ core }) => core)].some(
        ([core, threads]) => core !== 0 && threads[0]!.numa === near && threads.every(({ id }) => !had.has(id))
      )
      return !left || cpus.every(id => host.cpus.find(cpu => cpu.id === id)!.numa === near)
    }),
    { numRuns: runs(500) }
  )
})

await t.test('whatever the host: more workers do not move those before them', async () => {
  fc.assert(
    fc.property(anyHost, anyTaken, fc.integer({ min: 1, max: 30 }), (host, taken, workers) => {
      const [few, many] = [workers, workers + 1].map(workers => plan({ workers, cpus: 'auto' }, host, taken))
      if (few!.error !== undefined || many!.error !== undefined) return true
      return JSON.stringify(many!.placements.slice(0, workers)) === JSON.stringify(few!.placements)
    }),
    { numRuns: runs(500) }
  )
})

await t.test('whatever the host: workers: auto has a core for each worker, or is one', async () => {
  fc.assert(
    fc.property(anyHost, anyTaken, (host, taken) => {
      const done = plan({ workers: 'auto', cpus: 'auto' }, host, taken)
      if (done.error !== undefined) return host.cpus.every(({ id }) => taken.includes(id))
      const cores = done.placements.map(({ cpu }) => coreOf(host, cpu))
      return cores.length === 1 || (new Set(cores).size === cores.length && !cores.includes(0))
    }),
    { numRuns: runs(500) }
  )
})
