import { bytes, count, counted, percent, plain, span } from './format.js'
import { isAmiss, type Tone } from './states.js'
import type { Instance, Node, Schema } from './types.js'

export type InstanceStats = Schema['InstanceStats']

/** What an instance has told of itself. */
export interface HostStats {
  stats: InstanceStats | undefined
  /** When that was told, in milliseconds since 1970. */
  at: number
  /** Why it has not told it anew. */
  error: string | undefined
}

/** Returns what instances have told, after one more answer of a request. Of who is not in it, what was told stays. */
export function withAnswer(
  told: ReadonlyMap<string, HostStats>,
  results: readonly Schema['RequestResult'][],
  at: number
): ReadonlyMap<string, HostStats> {
  const next = new Map(told)
  for (const { success, instance, error = 'failed', data } of results) {
    if (instance === undefined) continue
    const before = told.get(instance)
    next.set(
      instance,
      success && data?.instance_stats
        ? { stats: data.instance_stats, at, error: undefined }
        : { stats: before?.stats, at: before?.at ?? at, error }
    )
  }
  return next
}

/** Whether what a host has told is not of the time when the others have told it. */
export const isOlder = ({ at, error }: HostStats, latest: number | undefined): boolean =>
  error !== undefined || (latest !== undefined && latest - at > 5_000)

/** What most of some values are, and who has another. */
export interface Majority {
  usual: string | undefined
  others: ReadonlySet<string>
}

/** Returns which value most names have. When all have the same, or there is none, nobody has another. */
export function majorityOf(values: ReadonlyMap<string, string | undefined>): Majority {
  const counts = new Map<string, number>()
  for (const value of values.values()) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1)
  // Of values that are as frequent, always the same one, whatever their order.
  const [usual] = [...counts].sort(([a, many], [b, few]) => few - many || (a < b ? -1 : 1))[0] ?? []
  const others = [...values].filter(([, value]) => value !== undefined && value !== usual).map(([name]) => name)
  return { usual, others: new Set(others) }
}

/** How much of something is used, in percent. */
export const usedPercent = (size: number, free: number): number =>
  size === 0 ? 0 : (100 * Math.max(0, size - free)) / size

/** Returns how a share that is used is to be taken. The controller's health begins to complain at 95 %. */
export function toneOfUse(used: number): Tone {
  if (used > 95) return 'bad'
  return used > 85 ? 'doubt' : 'good'
}

/** Returns how a load is to be taken, for so many processors. */
export const toneOfLoad = (load: number, cpus: number): Tone => (cpus > 0 && load > 1.5 * cpus ? 'doubt' : 'good')

/** Whether an interface loses something now. */
export const losesPackets = ({
  dropped_per_second: dropped = 0,
  errors_per_second: errors = 0
}: InstanceStats['interfaces'][number]): boolean => dropped > 0 || errors > 0

/** Returns interfaces with those first that see the most. */
export const byTraffic = (interfaces: InstanceStats['interfaces']): InstanceStats['interfaces'] =>
  [...interfaces].sort(
    (a, b) => (b.packets_per_second ?? 0) - (a.packets_per_second ?? 0) || a.name.localeCompare(b.name, 'en')
  )

/** What is to be said of a host. */
export interface Host {
  name: string
  instance: Instance | undefined
  /** Those of the cluster. */
  nodes: readonly Node[]
  told: HostStats | undefined
}

export interface Versions {
  agent: Majority
  zeek: Majority
}

/** The version of its agent, and of its Zeek. */
export const agentOf = ({ instance, told }: Host): string | undefined => instance?.version ?? told?.stats?.version
export const zeekOf = ({ instance, told }: Host): string | undefined =>
  instance?.zeek_version ?? told?.stats?.zeek_version

/** Returns which versions hosts have. */
export const versionsOf = (hosts: readonly Host[]): Versions => ({
  agent: majorityOf(new Map(hosts.map(host => [host.name, agentOf(host)]))),
  zeek: majorityOf(new Map(hosts.map(host => [host.name, zeekOf(host)])))
})

/** Something that a person should look at. */
export interface Oddity {
  tone: Tone
  text: string
}

/** Returns what is odd about a host, the worst first. */
export function odditiesOf(host: Host, versions: Versions): Oddity[] {
  const { name, instance, nodes, told } = host
  const odd: Oddity[] = []
  const say = (tone: Tone, text: string) => odd.push({ tone, text: plain(text) })
  if (instance?.connected !== true) say('bad', 'not connected')
  else if (told?.error !== undefined) say('bad', told.error)
  const amiss = nodes.filter(isAmiss).length
  if (amiss > 0) say('bad', `${amiss} of ${counted(nodes.length, 'node')} not as wanted`)
  if (told?.stats) sayOfStats(told.stats, say)
  if (versions.agent.others.has(name)) say('doubt', `agent ${agentOf(host)}, most have ${versions.agent.usual}`)
  if (versions.zeek.others.has(name)) say('doubt', `Zeek ${zeekOf(host)}, most have ${versions.zeek.usual}`)
  return odd.sort((a, b) => Number(a.tone !== 'bad') - Number(b.tone !== 'bad'))
}

function sayOfStats(
  { cpus, load, file_systems: disks, interfaces, archive, foreign }: InstanceStats,
  say: (tone: Tone, text: string) => void
) {
  for (const { path, size_bytes: size, free_bytes: free } of disks) {
    const used = usedPercent(size, free)
    if (toneOfUse(used) !== 'good') say(toneOfUse(used), `${path}: ${percent(used)} used, ${bytes(free)} free`)
  }
  if (archive && archive.failures > 0) say('bad', `archiving fails: ${archive.error ?? 'for an unknown reason'}`)
  for (const one of interfaces) {
    const { name, dropped_per_second: dropped = 0, errors_per_second: errors = 0 } = one
    if (losesPackets(one)) say('bad', `${name} drops ${count(dropped)}/s, errors ${count(errors)}/s`)
  }
  if (toneOfLoad(load[0] ?? 0, cpus) !== 'good') say('doubt', `load ${load[0]} on ${counted(cpus, 'processor')}`)
  if (foreign.length > 0) say('doubt', `${foreign.length} Zeek not started by the agent`)
}

/** Returns how logs wait to be archived, in words. */
export function archiveText({ files, bytes: size, oldest }: NonNullable<InstanceStats['archive']>): string {
  if (files === 0) return 'no log waits'
  const since = oldest === undefined ? '' : `, the oldest for ${span(oldest)}`
  return `${counted(files, 'log')} (${bytes(size)}) ${files === 1 ? 'waits' : 'wait'}${since}`
}

/** Returns a rate of bytes as one of bits, as `390.4 Mbit/s`. */
export const bitRate = (bytesPerSecond: number): string =>
  `${count(8 * bytesPerSecond).replace(/[A-Za-z]?$/, ' $&')}bit/s`
