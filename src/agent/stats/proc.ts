import { readFile } from 'node:fs/promises'

/** What the kernel counts a process's time in, whatever its own clock: USER_HZ, 100 wherever Node runs (`getconf CLK_TCK`; see proc(5)). */
const ticksPerSecond = 100

/** What a process uses, as the kernel tells. */
export interface ProcessUse {
  /** When it started, in ticks since the boot: with its number, which process it is. */
  startTicks: number
  cpuSeconds: number
  memoryBytes: number
  threads: number
}

/** Of /proc/<pid>/stat and /proc/<pid>/status; undefined for one that has ended (a zombie), and for what is neither. */
export function parseProcess(stat: string, status: string): ProcessUse | undefined {
  // The name before can hold anything, so fields count from its last ")": the first of these is field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user, system, threads, startTicks] = [14, 15, 20, 22].map(field => Number(fields[field - 3]))
  const memory = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
  if (
    /^[ZX]/.test(fields[0] ?? '') ||
    memory === undefined ||
    ![user, system, threads, startTicks].every(Number.isSafeInteger)
  ) {
    return undefined
  }
  return {
    startTicks: startTicks!,
    cpuSeconds: (user! + system!) / ticksPerSecond,
    memoryBytes: Number(memory) * 1024,
    threads: threads!
  }
}

/** What a process uses, and the seconds since it started; undefined when there is none. */
export async function readProcess(pid: number): Promise<(ProcessUse & { uptime: number }) | undefined> {
  try {
    const [stat, status, uptime] = await Promise.all(
      [`/proc/${pid}/stat`, `/proc/${pid}/status`, '/proc/uptime'].map(path => readFile(path, 'utf8'))
    )
    const use = parseProcess(stat!, status!)
    return use && { ...use, uptime: Math.max(0, Number.parseFloat(uptime!) - use.startTicks / ticksPerSecond) }
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}
