import { readFile } from 'node:fs/promises'
import { parseStat, ticksPerSecond } from '../../proc.js'

/** What a process uses, as the kernel reports it. */
export interface ProcessUse {
  /** When it started, in ticks since the boot: with the process ID it identifies the process. */
  startTicks: number
  cpuSeconds: number
  memoryBytes: number
  threads: number
}

/**
 * Parses /proc/<pid>/stat and /proc/<pid>/status; undefined for a process that has ended (a zombie), and for any other
 * text.
 */
export function parseProcess(stat: string, status: string): ProcessUse | undefined {
  const process = parseStat(stat)
  const memory = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
  if (!process || process.ended || memory === undefined) return undefined
  return {
    startTicks: process.startTicks,
    cpuSeconds: (process.userTicks + process.systemTicks) / ticksPerSecond,
    memoryBytes: Number(memory) * 1024,
    threads: process.threads
  }
}

/** Returns what a process uses, and the seconds since it started; undefined when there is none. */
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
