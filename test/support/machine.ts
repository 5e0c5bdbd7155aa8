import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TopologyCpu } from '../../schemas/topology.js'
import { cpuList } from '../../src/cpu-list.js'
import { groupBy } from '../../src/util.js'

/** Numberings of CPUs that are found. */
export const numberings = {
  /** Linux's usual one: one thread of each core, socket after socket; then the other threads in the same order. */
  threadsLast: ({ socket, core, thread, sockets, cores }: Place) => (thread * sockets + socket) * cores + core,
  /** The same, with the sockets in turn. */
  socketsFirst: ({ socket, core, thread, sockets, cores }: Place) => (thread * cores + core) * sockets + socket,
  /** The threads of a core beside each other, as in many virtual machines. */
  threadsFirst: ({ socket, core, thread, cores, threads }: Place) => (socket * cores + core) * threads + thread
}
export type Numbering = keyof typeof numberings

export interface Shape {
  sockets: number
  /** Physical cores of each socket. */
  cores: number
  /** Threads of each core. */
  threads: number
  numbering?: Numbering
}
interface Place extends Shape {
  socket: number
  core: number
  thread: number
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Returns the CPUs of a machine, each socket of which is a NUMA node. */
export function cpusOf({ sockets, cores, threads, numbering = 'threadsLast' }: Shape): TopologyCpu[] {
  const number = numberings[numbering]
  const shape = { sockets, cores, threads }
  return upTo(sockets)
    .flatMap(socket =>
      upTo(cores).flatMap(core => {
        const ids = upTo(threads).map(thread => number({ ...shape, socket, core, thread }))
        return ids.map(id => ({ id, core: Math.min(...ids), socket, numa: socket }))
      })
    )
    .sort((a, b) => a.id - b.id)
}

/** Writes a host as the kernel shows it: what is in `files` besides, or instead. Undefined: the file is not there. */
export function writeHost(
  root: string,
  cpus: readonly TopologyCpu[],
  files: Record<string, string | undefined> = {}
): string {
  const all = cpuList(cpus.map(({ id }) => id))
  const system = 'sys/devices/system'
  const told: Record<string, string | undefined> = {
    [`${system}/cpu/online`]: all,
    [`${system}/cpu/isolated`]: cpuList(cpus.filter(({ isolated }) => isolated).map(({ id }) => id)),
    'proc/self/status': `Name:\tnode\nCpus_allowed:\tf\nCpus_allowed_list:\t${all}\nMems_allowed_list:\t0`,
    'proc/self/cgroup': '0::/',
    'sys/class/net/bonding_masters': ''
  }
  for (const [numa, members] of groupBy(cpus, ({ numa }) => numa)) {
    if (numa !== undefined) told[`${system}/node/node${numa}/cpulist`] = cpuList(members.map(({ id }) => id))
  }
  for (const [core, threads] of groupBy(cpus, ({ core }) => core)) {
    for (const { id, socket } of core === undefined ? [] : threads) {
      const directory = `${system}/cpu/cpu${id}/topology`
      // Each socket counts its cores anew.
      told[`${directory}/core_id`] = String(core! % 4)
      told[`${directory}/core_cpus_list`] = cpuList(threads.map(({ id }) => id))
      told[`${directory}/physical_package_id`] = String(socket ?? -1)
    }
  }
  for (const [path, text] of Object.entries({ ...told, ...files })) if (text !== undefined) put(root, path, `${text}\n`)
  return root
}

function put(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

export interface InterfaceShape {
  /** As the kernel has it: -1 for unknown. */
  numa?: number
  queues?: number
  /** It is a device of virtio: the NUMA node is that of the PCI device that it is on. */
  isVirtio?: boolean
  /** The devices that it is made of. */
  below?: string[]
}

/** Writes a network interface as the kernel shows it: with links from `class` to `devices`. */
export function writeInterface(
  root: string,
  name: string,
  { numa, queues = 1, isVirtio = false, below = [] }: InterfaceShape = {}
): void {
  const link = (from: string, to: string) => {
    mkdirSync(dirname(join(root, from)), { recursive: true })
    symlinkSync(to, join(root, from))
  }
  const bus = `sys/devices/pci0000:00/0000:00:${name}`
  const device = numa === undefined ? 'sys/devices/virtual' : isVirtio ? `${bus}/virtio0` : bus
  const own = `${device}/net/${name}`
  put(root, `${own}/flags`, '0x1003\n')
  for (const queue of upTo(queues)) {
    for (const kind of ['rx', 'tx']) mkdirSync(join(root, own, 'queues', `${kind}-${queue}`), { recursive: true })
  }
  if (numa !== undefined) {
    put(root, `${bus}/numa_node`, `${numa}\n`)
    link(`${own}/device`, '../..')
  }
  for (const other of below) link(`${own}/lower_${other}`, `../../../../class/net/${other}`)
  link(`sys/class/net/${name}`, `../../${own.slice('sys/'.length)}`)
}
