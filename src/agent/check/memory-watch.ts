import { readFile } from 'node:fs/promises'

/** Milliseconds between two looks. */
const intervalMs = 100

/** Returns the memory that a process uses, and the most that it has used, in bytes; undefined when it has ended. */
export async function memoryOf(pid: number): Promise<{ now: number; peak: number } | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const [now, peak] = ['VmRSS', 'VmHWM'].map(name => new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1])
  return now === undefined || peak === undefined ? undefined : { now: Number(now) * 1024, peak: Number(peak) * 1024 }
}

/** Watches the memory of a process until it is closed. */
export class MemoryWatch {
  /** The most that was seen, in bytes. */
  peak = 0
  /** Whether it was more than it may be. */
  exceeded = false
  #timer: NodeJS.Timeout

  /** `exceed` is called once the process uses more than `max` bytes. */
  constructor(pid: number, max: number, exceed: () => void) {
    const look = async () => {
      const memory = await memoryOf(pid)
      if (!memory) return
      this.peak = Math.max(this.peak, memory.peak)
      if (memory.now <= max || this.exceeded) return
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
