import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, open, rename, unlink } from 'node:fs/promises'
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The directory of package.json: above both `src/` and `dist/src/`. */
export const packageRoot = (() => {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return directory
})()

export const packageVersion: string = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')).version

/** Whose a file is to be, and who may read it. */
export interface Ownership {
  uid: number
  gid: number
  mode?: number
}

/**
 * Writes a file so that a reader, or the next start after a crash, sees either all of the old text or all of the new.
 * It is its owner's alone, unless an ownership is given, which it has from the first on.
 */
export async function writeFileAtomically(path: string, text: string, ownership?: Ownership): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  await mkdir(dirname(path), { recursive: true })
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      if (ownership) {
        // Of the file itself: whose directory it is may put another one in its place.
        await file.chown(ownership.uid, ownership.gid)
        await file.chmod(ownership.mode ?? 0o600)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
}

/** Makes what was created, renamed or removed in a directory last beyond a crash of the machine. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  await directory.sync().finally(() => directory.close())
}

/**
 * Returns a UUID that sorts by its time of creation (RFC 9562, version 7): UUIDs created one after the other are
 * neighbours in an index, and share its pages.
 */
export function timeOrderedId(now = Date.now()): string {
  const time = now.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** The longest timeout that a timer accepts. */
export const maxTimerMs = 2 ** 31 - 1

/** Returns a signal that aborts with another one, or after so long, in milliseconds, unless that is cleared before. */
export function within(signal: AbortSignal, ms: number): { signal: AbortSignal; clear: () => void } {
  // Not AbortSignal.timeout: in Node 20 one that only AbortSignal.any knows of can be collected before it fires.
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(), ms)
  return { signal: AbortSignal.any([signal, patience.signal]), clear: () => clearTimeout(timer) }
}

/** Resolves once the signal is aborted. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

/** Returns `initial` doubled for each attempt after the first, at most `max`. */
export function backoff(attempt: number, initial: number, max: number): number {
  return Math.min(max, initial * 2 ** Math.max(0, attempt - 1))
}

const loopback = new BlockList()
// IPv6 addresses: IPv4-mapped ones are included.
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Returns whether an address is a loopback address. Called for every request: a lookup in the list takes ten times as
 * long as a look at the text.
 */
export function isLoopback(address: string): boolean {
  return (
    address === 'localhost' ||
    (isIPv4(address) ? address.startsWith('127.') : isIPv6(address) && loopback.check(address, 'ipv6'))
  )
}

/**
 * Returns where a listener at an address is reached on its own host: the address that stands for all addresses is none
 * to connect to.
 */
export function reachableAt(address: string): string {
  if (!isIPv6(address)) return address === '0.0.0.0' ? '127.0.0.1' : address
  return /^[0:]+$/.test(address) ? '::1' : address
}

/** Returns `host:port`, with brackets where the host needs them. */
export function hostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

/** Returns the host of `host:port`, or of `host` where an IPv6 address has brackets; without these. */
export function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

/** Returns whether what goes to a URL can be read on its way. */
export function isInClear(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol !== 'https:' && !isLoopback(hostOf(hostname))
}

/** Groups items by a key, in the order of their first appearance. */
export function groupBy<T, K>(items: Iterable<T>, key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group) group.push(item)
    else groups.set(key(item), [item])
  }
  return groups
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Returns a copy without the members that are undefined, for where the presence of a member matters. */
export function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<T>
}

/** Compares by code units, for sorting: the same on every machine. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Runs jobs one after the other, in the order in which they came. A failed job does not stop the next. */
export class Sequence {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(job: () => Promise<T>): Promise<T> {
    const done = this.#last.then(job, job)
    this.#last = done.catch(() => {})
    return done
  }
}

/**
 * A job that never runs twice at a time, and runs once for all calls that come before it begins. It must not reject.
 */
export class Repeatable {
  #job: () => Promise<void>
  #current: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(job: () => Promise<void>) {
    this.#job = job
  }

  /** Resolves after a run that begins from now on: one that is under way may have missed what is new. */
  run(): Promise<void> {
    return (this.#next ??= this.#current.then(() => {
      this.#next = undefined
      return (this.#current = this.#job())
    }))
  }
}

/** Runs jobs concurrently, starting them in the order in which they came, but never more than so many at a time. */
export class Slots {
  #free: number
  #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await job()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
