import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** A log file as it is at one time. */
export interface LogFile {
  /** Text that changes whenever the file is written to. */
  mark: string
  /** When it was written last, by the clock of the host. */
  modified: number
}

/** What is known of the logs of a node that has written some. */
export interface LogGrowth {
  process: string
  /** When they have last grown, in milliseconds of a monotonic clock. */
  at: number
  marks: ReadonlySet<string>
}

/**
 * When a look takes place, by both clocks (`now` is that of the host), and which process writes, since how many
 * seconds.
 */
export interface Look {
  at: number
  now: number
  process: string
  uptime: number
}

/** Returns the log files in a node's directory. One that is rotated away meanwhile is left out. */
export async function readLogs(directory: string): Promise<LogFile[]> {
  const names = (await readdir(directory).catch(() => [])).filter(name => /\.log(\.gz)?$/.test(name))
  return (
    await Promise.all(
      names.map(async (name): Promise<LogFile[]> => {
        try {
          const { ino, size, mtimeMs } = await stat(join(directory, name))
          return [{ mark: `${ino} ${size} ${mtimeMs}`, modified: mtimeMs }]
        } catch {
          return []
        }
      })
    )
  ).flat()
}

/**
 * Returns what is known after another look; undefined for a node that was never seen to have a log. Files that are gone
 * say nothing: they were rotated. The idle time of a new process counts from its start at the earliest.
 */
export function growthOf(
  before: LogGrowth | undefined,
  files: readonly LogFile[],
  { at, now, process, uptime }: Look
): LogGrowth | undefined {
  if (!before && files.length === 0) return undefined
  const marks = new Set(files.map(({ mark }) => mark))
  const start = at - uptime * 1000
  if (before?.process === process) {
    return { process, marks, at: files.some(({ mark }) => !before.marks.has(mark)) ? at : before.at }
  }
  const newest = at - now + Math.max(...files.map(({ modified }) => modified))
  return { process, marks, at: Math.min(at, Math.max(start, newest)) }
}
