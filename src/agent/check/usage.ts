import { lstat, readdir, readFile } from 'node:fs/promises'

/** Milliseconds between two looks. */
const intervalMs = 100
/** Bytes that a file takes at least, so that many empty ones come to an end, too. */
const blockBytes = 4096

/** How much of something is used, and how much of it was used at some time. */
interface Usage {
  now: number
  peak: number
}

/** Returns the memory that a process and those that it has started use, in bytes; undefined when it has ended. */
export async function memoryOf(pid: number): Promise<Usage | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const [now, peak] = ['VmRSS', 'VmHWM'].map(name => new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1])
  if (now === undefined || peak === undefined) return undefined
  const used = { now: Number(now) * 1024, peak: Number(peak) * 1024 }
  // Where zeek is a script it may be a child of it.
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  for (const child of children.match(/\d+/g) ?? []) {
    const more = await memoryOf(Number(child))
    if (!more) continue
    used.now += more.now
    used.peak = Math.max(used.peak, more.peak)
  }
  return { ...used, peak: Math.max(used.now, used.peak) }
}

/** Returns what the files in a directory take on the disk, in bytes. */
export async function diskOf(directory: Buffer): Promise<number> {
  let used = 0
  // A name need not be text.
  const entries = await readdir(directory, { withFileTypes: true, encoding: 'buffer' }).catch(() => [])
  for (const entry of entries) {
    const path = Buffer.concat([directory, Buffer.from('/'), entry.name])
    const { blocks } = await lstat(path).catch(() => ({ blocks: 0 }))
    used += Math.max(blockBytes, blocks * 512) + (entry.isDirectory() ? await diskOf(path) : 0)
  }
  return used
}

/** Looks at how much is used until it is closed. */
export class UsageWatch {
  /** The most that was seen. */
  peak = 0
  /** Whether it was more than it may be. */
  exceeded = false
  #timer: NodeJS.Timeout

  /** `exceed` is called once more than `max` is used. */
  constructor(usage: () => Promise<Usage | undefined>, max: number, exceed: () => void) {
    let isLooking = false
    const look = async () => {
      if (isLooking) return
      isLooking = true
      const used = await usage()
      isLooking = false
      if (!used) return
      this.peak = Math.max(this.peak, used.peak)
      if (used.now <= max || this.exceeded) return
      this.exceeded = true
      exceed()
    }
    this.#timer = setInterval(() => {
      void look()
    }, intervalMs)
    void look()
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
