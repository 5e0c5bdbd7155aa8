import { readFile, readdir, readlink, stat, statfs } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cut } from '../../../schemas/cut.js'
import type { FileSystemStats, ForeignProcess, InstanceStats, InterfaceStats } from '../../../schemas/operations.js'
import { looksSecret, type IsSecret } from '../../security/secret-names.js'
import { maskedCommand } from '../../security/secrets.js'
import { readStat } from '../../proc.js'
import { compare, defined, packageVersion } from '../../util.js'
import { increase } from './rates.js'

/** Time between the two readings that rates are computed from, in milliseconds. */
const apartMs = 1_000
/** How much is reported: of a foreign process's command line, in characters, and how many foreign processes. */
const maxCommand = 1024
const maxForeign = 100

/** The path of a directory that matters, and what it is for. */
export interface StorageDirectory {
  path: string
  holds: string
}

/** Samples the instance, over about a second. `own`: the process ids of its agent and nodes. */
export async function readInstance({
  zeekVersion,
  places,
  own,
  isSecret = looksSecret,
  signal
}: {
  zeekVersion: string | undefined
  places: readonly StorageDirectory[]
  own: readonly number[]
  isSecret?: IsSecret
  signal: AbortSignal
}): Promise<InstanceStats> {
  const before = { at: performance.now(), interfaces: await readInterfaces() }
  await sleep(apartMs, undefined, { signal }).catch(() => {})
  const [interfaces, memory, systems, foreign] = await Promise.all([
    readInterfaces(),
    readFile('/proc/meminfo', 'utf8'),
    fileSystems(places),
    foreignProcesses(own, isSecret)
  ])
  const interval = (performance.now() - before.at) / 1000
  return {
    time: new Date().toISOString(),
    version: packageVersion,
    ...defined({ zeek_version: zeekVersion }),
    cpus: availableParallelism(),
    load: loadavg(),
    ...parseMemory(memory),
    file_systems: systems,
    interfaces: interfaces.map(now =>
      withRates(
        before.interfaces.find(({ name }) => name === now.name),
        now,
        interval
      )
    ),
    foreign
  }
}

/** Parses /proc/meminfo, whose kB are 1024 bytes. */
export function parseMemory(
  text: string
): Pick<InstanceStats, 'memory_bytes' | 'memory_available_bytes' | 'swap_bytes' | 'swap_free_bytes'> {
  const bytes = (name: string) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0)
  return {
    memory_bytes: bytes('MemTotal'),
    memory_available_bytes: bytes('MemAvailable'),
    swap_bytes: bytes('SwapTotal'),
    swap_free_bytes: bytes('SwapFree')
  }
}

/** Returns the file systems of directories, each once, with all that it holds. A missing directory is left out. */
export async function fileSystems(places: readonly StorageDirectory[]): Promise<FileSystemStats[]> {
  const systems = new Map<number, FileSystemStats>()
  for (const { path, holds } of places) {
    try {
      const [{ dev }, { bsize, blocks, bavail }] = await Promise.all([stat(path), statfs(path)])
      const known = systems.get(dev)
      if (!known) systems.set(dev, { path, holds: [holds], size_bytes: bsize * blocks, free_bytes: bsize * bavail })
      else if (!known.holds.includes(holds)) known.holds.push(holds)
    } catch {}
  }
  return [...systems.values()]
}

/** Returns the network interfaces of a machine, sorted by name, with the kernel's counts. */
export async function readInterfaces(root = '/sys/class/net'): Promise<InterfaceStats[]> {
  const names = (await readdir(root).catch(() => [])).sort(compare)
  return (
    await Promise.all(
      names.map(async (name): Promise<InterfaceStats[]> => {
        try {
          const read = async (file: string) => Number(await readFile(join(root, name, file), 'utf8'))
          const [flags, packets, bytes, errors, dropped] = await Promise.all(
            ['flags', ...['packets', 'bytes', 'errors', 'dropped'].map(what => `statistics/rx_${what}`)].map(read)
          )
          if (![flags, packets, bytes, errors, dropped].every(Number.isSafeInteger)) return []
          // IFF_UP is the lowest bit: whether someone has switched it on.
          return [
            {
              name,
              up: (flags! & 1) === 1,
              packets_received: packets!,
              bytes_received: bytes!,
              errors: errors!,
              dropped: dropped!
            }
          ]
        } catch {
          // It is gone, or is no interface: bonding has a file there.
          return []
        }
      })
    )
  ).flat()
}

/** Returns an interface with its rates since the reading before, of `interval` seconds ago. */
export function withRates(before: InterfaceStats | undefined, now: InterfaceStats, interval: number): InterfaceStats {
  if (!before || interval <= 0) return now
  const rate = (key: 'packets_received' | 'bytes_received' | 'errors' | 'dropped') =>
    increase(before[key], now[key]) / interval
  return {
    ...now,
    interval,
    packets_per_second: rate('packets_received'),
    bytes_per_second: rate('bytes_received'),
    errors_per_second: rate('errors'),
    dropped_per_second: rate('dropped')
  }
}

/** Returns Zeek processes that neither are one of these nor descend from one, at most a hundred. */
export async function foreignProcesses(own: readonly number[], isSecret = looksSecret): Promise<ForeignProcess[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number)
  const parents = new Map<number, number>()
  const zeeks: number[] = []
  for (const pid of pids) {
    const found = await readStat(pid)
    if (!found || found.ended) continue
    parents.set(pid, found.parent)
    if (found.comm === 'zeek' || (await executableOf(pid)) === 'zeek') zeeks.push(pid)
  }
  const isOwn = (pid: number | undefined): boolean => {
    // A process ID that is used again while they are read can make a ring.
    for (let at = pid, steps = 0; at !== undefined && steps < 100; at = parents.get(at), steps++) {
      if (own.includes(at)) return true
    }
    return false
  }
  const foreign = await Promise.all(
    zeeks
      .filter(pid => !isOwn(pid))
      .slice(0, maxForeign)
      .map(async pid => ({ pid, command: await commandOf(pid, isSecret) }))
  )
  return foreign.filter((one): one is ForeignProcess => one.command !== undefined)
}

/** Returns the name of a process's executable; undefined for processes of other users, unless this one is root's. */
async function executableOf(pid: number): Promise<string | undefined> {
  // The kernel adds this when the executable was replaced meanwhile.
  return await readlink(`/proc/${pid}/exe`).then(
    path => basename(path).replace(/ \(deleted\)$/, ''),
    () => undefined
  )
}

/** Returns the command line of a process, with secrets masked; undefined when the process has ended. */
async function commandOf(pid: number, isSecret: IsSecret): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const command = maskedCommand(text.split('\0'), isSecret).join(' ').trim()
  return command === '' ? undefined : cut(command, maxCommand + 1)
}
