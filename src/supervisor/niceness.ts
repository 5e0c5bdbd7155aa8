import { writeFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often, and after how many milliseconds, a session is made nice again: others must wait a tenth of a second. */
const attempts = 50
const againMs = 100

/** Returns why this process may not make others so nice; undefined when it may. */
export function niceObstacle(nice: number): string | undefined {
  const own = getPriority()
  if (nice >= own) return undefined
  // Found out by trying: capabilities, limits and namespaces decide. To be as nice again as before needs no right.
  try {
    setPriority(nice)
    return undefined
  } catch {
    return `the supervisor may not go below ${own} (CAP_SYS_NICE, or LimitNICE= of its unit)`
  } finally {
    setPriority(own)
  }
}

/** Makes a process that has just been started as nice. Throws where that is not allowed. */
export function makeNice(pid: number, nice: number): void {
  setPriority(pid, nice)
  void makeSessionNice(pid, nice)
}

/**
 * Makes the session that a process leads as nice among others. Where the kernel groups processes by session (autogroup
 * in sched(7)), what a process is itself counts in its session alone.
 */
async function makeSessionNice(pid: number, nice: number): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      writeFileSync(`/proc/${pid}/autogroup`, String(nice), { flag: 'r+' })
      return
    } catch (error) {
      // Otherwise there are no such groups, or the process is gone.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      await sleep(againMs)
    }
  }
}
