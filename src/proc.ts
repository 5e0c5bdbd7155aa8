import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

/** Changes with each boot: a process id with its start time means nothing after another one. */
export const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/**
 * A process as /proc/<pid>/stat describes it (proc_pid_stat(5), which numbers the fields). Times are in ticks of the
 * kernel's USER_HZ, whatever its own clock: 1/`ticksPerSecond` seconds.
 */
export interface ProcessStat {
  /**
   * Field 2, without its parentheses: the first 15 bytes of the program's name, or the name that the process has set.
   * It can contain anything.
   */
  comm: string
  /** Field 3 is Z or X: the process has ended, and its parent has not collected its status. */
  ended: boolean
  /** Field 4: the process id of its parent. */
  parent: number
  /** Field 14: the time that it has spent in user mode. */
  userTicks: number
  /** Field 15: the time that it has spent in kernel mode. */
  systemTicks: number
  /** Field 20: the number of threads. */
  threads: number
  /** Field 22: when the process started, since the boot. Together with its number this identifies a process. */
  startTicks: number
}

/** 100 wherever Node runs (`getconf CLK_TCK`). */
export const ticksPerSecond = 100

/** Parses a line of /proc/<pid>/stat. Undefined when the text is not such a line, or incomplete. */
export function parseStat(text: string): ProcessStat | undefined {
  // The name can contain blanks, parentheses and line ends, so fields count from its last ")": the first after it is
  // field 3.
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
