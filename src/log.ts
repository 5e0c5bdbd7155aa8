import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { destination, multistream, pino, type Logger, type StreamEntry } from 'pino'
import type { ManagementRole } from '../schemas/types.js'
import { messageOf } from './errors.js'

const names: Record<string, string> = {
  trace: 'DEBUG',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'ERROR'
}

/** Maximum bytes that wait for a file that cannot be written. */
const backlogMax = 1_048_576

export interface LogOptions {
  node: string
  role: ManagementRole
  level: string
  /** Only supervised processes write a file: `management-<node>.log` in this directory. */
  directory?: string
  /** Called with each line, too. */
  onLine?: (level: string, message: string) => void
}

/**
 * Returns a logger that writes JSON lines `ts node level role message`, as in Zeek's management.log, with further
 * fields where there are any: on stderr, and to the file.
 */
export function createLog({ node, role, level, directory, onLine }: LogOptions): Logger {
  const entry = (stream: StreamEntry['stream']) => ({ level: level as 'info', stream })
  // A line that cannot be written (a full disk) does not end the process: it waits for the next ones, and some may be
  // lost.
  const to = (dest: string | 2) =>
    entry(destination({ dest, sync: true, mkdir: true, maxLength: backlogMax }).on('error', () => {}))
  const streams = [to(2)]
  let trouble: string | undefined
  if (directory !== undefined) {
    try {
      mkdirSync(directory, { recursive: true })
      streams.push(to(join(directory, `management-${node}.log`)))
    } catch (error) {
      trouble = messageOf(error)
    }
  }
  if (onLine) {
    streams.push(
      entry({
        write(line: string) {
          const { level, message } = JSON.parse(line)
          onLine(level, message)
        }
      })
    )
  }
  const log = pino(
    {
      level,
      base: { node, role },
      messageKey: 'message',
      // Seconds since the epoch, as in Zeek's own JSON logs.
      timestamp: () => `,"ts":${Date.now() / 1000}`,
      formatters: { level: label => ({ level: names[label] ?? label }) }
    },
    multistream(streams)
  )
  if (trouble !== undefined) log.warn(`no log file is kept: ${trouble}`)
  return log
}
