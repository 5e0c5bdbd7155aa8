import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/until.js'
import { measure, zombiesOf, type Measured } from './processes.js'
import type { Life } from './verdict.js'

interface Sample {
  at: number
  phase: string
  processes: Record<string, Measured & { pid: number }>
  zombies: number[]
  databaseMb: number
  walMb: number
  /** What the controller says of itself; nothing while it is away. */
  metrics: Record<string, number>
}

/** A line of `heap.mjs`. */
interface Heap {
  at: number
  heapMb: number
  codeMb: number
  handles: Record<string, number>
}

export interface SamplerOptions {
  /** Who is watched. */
  pids: () => Record<string, number | undefined>
  supervisors: () => number[]
  metrics: () => Promise<string>
  database: string
  /** Where `heap.mjs` writes. */
  heaps: string
}

const everyMs = 3_000

/** Looks at the processes again and again. */
export class Sampler {
  readonly samples: Sample[] = []
  /** Those that stayed. */
  readonly zombies = new Set<number>()
  phase = 'start'
  readonly #options: SamplerOptions
  readonly #ending = new AbortController()
  readonly #done: Promise<void>

  constructor(options: SamplerOptions) {
    this.#options = options
    this.#done = this.#watch()
  }

  async end(): Promise<void> {
    this.#ending.abort()
    await this.#done
  }

  get latest(): Sample | undefined {
    return this.samples.at(-1)
  }

  /** What holds each process open, now that nobody wants anything of it. */
  async handles(): Promise<Record<string, Record<string, number>>> {
    const now = Date.now()
    const handles: Record<string, Record<string, number>> = {}
    for (const [name, pid = 0] of Object.entries(this.#options.pids())) {
      const heap = await until(() => this.#heapsOf(pid).find(({ at }) => at > now), `${name} has collected`, 30_000)
      handles[name] = { ...heap.handles, 'file descriptors': measure(pid)?.fds ?? 0 }
    }
    return handles
  }

  /** The process of this name from one moment to another, if that was one process. */
  life(name: string, from: number, to: number): Pick<Life, 'rss' | 'heap' | 'code'> & { pids: number[] } {
    const isWithin = ({ at }: { at: number }) => at >= from && at <= to
    const samples = this.samples.filter(sample => isWithin(sample) && sample.processes[name])
    const pids = [...new Set(samples.map(({ processes }) => processes[name]!.pid))]
    const heaps = pids.flatMap(pid => this.#heapsOf(pid)).filter(isWithin)
    return {
      pids,
      rss: samples.map(({ at, processes }) => [at, processes[name]!.rssMb]),
      heap: heaps.map(({ at, heapMb }) => [at, heapMb]),
      code: heaps.map(({ at, codeMb }) => [at, codeMb])
    }
  }

  async #watch(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      await this.#look()
      await sleep(everyMs, undefined, { signal: this.#ending.signal }).catch(() => {})
    }
  }

  async #look(): Promise<void> {
    const { pids, supervisors, database } = this.#options
    const processes: Sample['processes'] = {}
    for (const [name, pid] of Object.entries(pids())) {
      const measured = pid === undefined ? undefined : measure(pid)
      if (measured) processes[name] = { pid: pid!, ...measured }
    }
    const zombies = supervisors().flatMap(zombiesOf)
    for (const pid of zombies) if (this.latest?.zombies.includes(pid)) this.zombies.add(pid)
    const metrics = parseMetrics(await this.#options.metrics().catch(() => ''))
    this.samples.push({
      at: Date.now(),
      phase: this.phase,
      processes,
      zombies,
      databaseMb: megabytes(database),
      walMb: megabytes(`${database}-wal`),
      metrics
    })
  }

  #heapsOf(pid: number): Heap[] {
    try {
      return readFileSync(join(this.#options.heaps, String(pid)), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line))
    } catch {
      return []
    }
  }
}

/** Metrics without labels. */
function parseMetrics(text: string): Record<string, number> {
  return Object.fromEntries([...text.matchAll(/^(\w+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]))
}

function megabytes(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) / 2 ** 20
}
