import { readdir, readFile } from 'node:fs/promises'

/** How often a directory is removed again that was not empty yet: who was killed may write until it is gone. */
export const removals = 10

/** Kills the processes, wherever they are, that were started to load scripts from below a directory first. */
export async function killLoading(directory: string): Promise<void> {
  const mark = `ZEEKPATH=${directory}/`
  for (const pid of await readdir('/proc')) {
    const environment = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '') : ''
    if (!environment.split('\0').some(entry => entry.startsWith(mark))) continue
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}
