import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

/**
 * What /proc/<pid>/stat tells of a process (proc_pid_stat(5), which numbers the fields). Times are in ticks of the
 * kernel's
 * USER_HZ, whatever its own clock: 1/`ticksPerSecond` seconds.
 */
export interface ProcessStat {
  /**
   * Field 2, without its parentheses: the first 15 bytes of its program's name, or what it calls itself. It can hold
   * anything.
   */
  comm: string
  /** Field 3 is Z or X: it has ended, and its parent has not asked how. */
  ended: boolean
  /** Field 4: the process id of its parent. */
  parent: number
  /** Field 14: the time that it has spent in user mode. */
  userTicks: number
  /** Field 15: the time that it has spent in kernel mode. */
  systemTicks: number
  /** Field 20. */
  threads: number
  /** Field 22: when it started, since the boot. With its number, which process it is. */
  startTicks: number
}

/** 100 wherever Node runs (`getconf CLK_TCK`). */
export const ticksPerSecond = 100

/** Undefined for what is no such line, or not all of one. */
export function parseStat(text: string): ProcessStat | undefined {
  // The name can hold blanks, parentheses and line ends, so fields count from its last ")": the first after it is field
  // 3.
  const [, comm, rest] = /^\d+ \((.*)\) (.*)/s.exec(text) ?? []
  if (comm === undefined || rest === undefined) return undefined
  const fields = rest.split(' ')
  const numbers = [4, 14, 15, 20, 22].map(field => Number(fields[field - 3]))
  if (!numbers.every(Number.isSafeInteger)) return undefined
  const [parent, userTicks, systemTicks, threads, startTicks] = numbers as [number, number, number, number, number]
  return { comm, ended: /^[ZX]/.test(rest), parent, userTicks, systemTicks, threads, startTicks }
}

/** Undefined when there is no such process. */
export async function readStat(pid: number): Promise<ProcessStat | undefined> {
  return parseStat(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))
}

/** Undefined when there is no such process. */
export function readStatSync(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined
  }
}
