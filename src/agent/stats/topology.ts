import { readFile, readdir } from 'node:fs/promises'
import { topologyMax, type Topology, type TopologyCpu, type TopologyInterface } from '../../../schemas/topology.js'
import { parseCpuList } from '../../cpu-list.js'
import { compare, defined } from '../../util.js'

/**
 * What is below a directory that stands for `/`. Paths are put together as texts: the kernel's have links in them, and
 * `link/..` is not where the link is.
 */
class Tree {
  #root: string

  constructor(root: string) {
    this.#root = root.replace(/\/+$/, '')
  }

  /** Returns a file's text without white space around it; undefined for what cannot be read. */
  async text(path: string): Promise<string | undefined> {
    return await readFile(`${this.#root}${path}`, 'utf8').then(
      text => text.trim(),
      () => undefined
    )
  }

  /** Undefined where there is none, and where it is negative: so the kernel says that it does not know. */
  async number(path: string): Promise<number | undefined> {
    const text = await this.text(path)
    return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
  }

  /** Undefined where there is none, and where it is empty. */
  async cpus(path: string): Promise<number[] | undefined> {
    return cpusOf(await this.text(path))
  }

  async names(path: string): Promise<string[]> {
    return await readdir(`${this.#root}${path}`).catch(() => [])
  }
}

function cpusOf(text: string | undefined): number[] | undefined {
  const cpus = text === undefined ? undefined : parseCpuList(text)
  return cpus?.length === 0 ? undefined : cpus
}

/** Reads what the kernel tells of CPUs and interfaces, under a root. What it does not tell is absent. */
export async function readTopology(root = '/'): Promise<Topology> {
  const tree = new Tree(root)
  const groups = cgroupsOf((await tree.text('/proc/self/cgroup')) ?? '')
  const [cpus, interfaces, quota] = await Promise.all([
    readCpus(tree, groups),
    readInterfaces(tree),
    readQuota(tree, groups)
  ])
  return { cpus, interfaces, ...defined({ quota }) }
}

/** The directories of the cgroups that a process is in, from its own up to the root: the limits of all hold. */
interface Cgroups {
  /** Of version 2. */
  unified: string[]
  /** Of two controllers of version 1. */
  cpu: string[]
  cpuset: string[]
}

/**
 * Returns where the cgroups of /proc/<pid>/cgroup are (cgroups(7)), at the usual places. In a container the path can be
 * one that is not there, and the container's own cgroup be the root: that one is always among them.
 */
function cgroupsOf(text: string): Cgroups {
  const found: Cgroups = { unified: [], cpu: [], cpuset: [] }
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):\/(.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    const parts = path.split('/').filter(part => part !== '' && part !== '..')
    const levels = [...parts.keys(), parts.length].map(depth => ['', ...parts.slice(0, depth)].join('/')).reverse()
    const at = (mount: string) => levels.map(level => `/sys/fs/cgroup${mount}${level}`)
    if (controllers === '') found.unified.push(...at(''), ...at('/unified'))
    for (const name of ['cpu', 'cpuset'] as const) {
      if (controllers.split(',').includes(name)) found[name].push(...at(`/${name}`), ...at(`/${controllers}`))
    }
  }
  return found
}

/** Returns CPUs' worth of time: the least that a cgroup allows. */
async function readQuota(tree: Tree, { unified, cpu }: Cgroups): Promise<number | undefined> {
  const limits = await Promise.all([
    // "150000 100000": microseconds in each period of so many; "max 100000": no limit.
    ...unified.map(async directory => (await tree.text(`${directory}/cpu.max`))?.split(' ').map(Number)),
    ...cpu.map(async directory => [
      await tree.number(`${directory}/cpu.cfs_quota_us`),
      await tree.number(`${directory}/cpu.cfs_period_us`)
    ])
  ])
  const quotas = limits
    .map(([time = NaN, period = NaN] = []) => time / period)
    .filter(quota => Number.isFinite(quota) && quota > 0)
  return quotas.length === 0 ? undefined : Math.min(...quotas)
}

async function readCpus(tree: Tree, groups: Cgroups): Promise<TopologyCpu[]> {
  const system = '/sys/devices/system'
  const [online, isolated, status = '', nodes, ...cpusets] = await Promise.all([
    tree.cpus(`${system}/cpu/online`),
    tree.cpus(`${system}/cpu/isolated`),
    tree.text('/proc/self/status'),
    readNodes(tree),
    ...groups.unified.map(async directory => await tree.cpus(`${directory}/cpuset.cpus.effective`)),
    ...groups.cpuset.map(async directory => await tree.cpus(`${directory}/cpuset.effective_cpus`))
  ])
  const allowed = cpusOf(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1])
  // Isolated CPUs are not among them until a process is pinned there.
  const limits = [online, allowed && [...allowed, ...(isolated ?? [])], ...cpusets]
  return await Promise.all(
    inAll(limits.filter(limit => limit !== undefined)).map(async id => {
      const topology = `${system}/cpu/cpu${id}/topology`
      const siblings =
        (await tree.cpus(`${topology}/core_cpus_list`)) ?? (await tree.cpus(`${topology}/thread_siblings_list`))
      return {
        id,
        ...defined({
          core: siblings && Math.min(...siblings),
          socket: await tree.number(`${topology}/physical_package_id`),
          numa: nodes.get(id),
          isolated: isolated?.includes(id) ? (true as const) : undefined
        })
      }
    })
  )
}

/** Returns the numbers that are in all lists, in ascending order. */
function inAll([first = [], ...others]: readonly number[][]): number[] {
  const sets = others.map(other => new Set(other))
  return [...new Set(first)].filter(cpu => sets.every(set => set.has(cpu))).sort((a, b) => a - b)
}

/** Returns the NUMA node of each CPU. */
async function readNodes(tree: Tree): Promise<Map<number, number>> {
  const directory = '/sys/devices/system/node'
  const numbers = (await tree.names(directory)).flatMap(name => /^node(\d{1,4})$/.exec(name)?.[1] ?? [])
  const lists = await Promise.all(
    numbers.map(async number =>
      ((await tree.cpus(`${directory}/node${number}/cpulist`)) ?? []).map(cpu => [cpu, Number(number)] as const)
    )
  )
  return new Map(lists.flat())
}

/**
 * An interface. `below`: the devices that it is made of: of a bond, a team or a bridge its ports, of a VLAN the one
 * that it is on.
 */
interface Device extends TopologyInterface {
  below: string[]
}

async function readInterfaces(tree: Tree): Promise<TopologyInterface[]> {
  const directory = '/sys/class/net'
  const names = (await tree.names(directory)).sort(compare)
  const devices = await Promise.all(
    names.slice(0, topologyMax.interfaces).map(name => readDevice(tree, directory, name))
  )
  const known = new Map(devices.flatMap(device => (device ? [[device.name, device]] : [])))
  return [...known.values()].map(({ name, below }) => {
    const roots = rootsOf(name, known)
    const [numa, ...others] = new Set(roots.map(root => root.numa))
    return {
      name,
      ...defined({ numa: others.length > 0 ? undefined : numa }),
      queues: Math.max(0, ...roots.map(({ queues }) => queues))
    }
  })
}

/** Undefined for what is no interface: bonding has a file there. */
async function readDevice(tree: Tree, directory: string, name: string): Promise<Device | undefined> {
  const path = `${directory}/${name}`
  const [members, queues, own, parent] = await Promise.all([
    tree.names(path),
    tree.names(`${path}/queues`),
    tree.number(`${path}/device/numa_node`),
    // The device of virtio has none of its own, but is on one of PCI.
    tree.number(`${path}/device/../numa_node`)
  ])
  if (members.length === 0) return undefined
  return {
    name,
    ...defined({ numa: own ?? parent }),
    queues: queues.filter(queue => queue.startsWith('rx-')).length,
    below: members.flatMap(member => /^lower_(.+)$/.exec(member)?.[1] ?? [])
  }
}

/** Returns the devices that packets of an interface come from: those at the bottom of what it is made of. */
function rootsOf(name: string, devices: ReadonlyMap<string, Device>, seen = new Set<string>()): Device[] {
  const device = devices.get(name)
  if (!device || seen.has(name)) return []
  seen.add(name)
  const below = device.below.flatMap(other => rootsOf(other, devices, seen))
  return below.length > 0 ? below : [device]
}
