import { lstat, opendir, readdir, rmdir, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../errors.js'
import { archivedName, dayPattern } from '../../zeek/log-name.js'

/** Limits on what the archive keeps. 0: no limit. */
export interface RetentionLimits {
  /** In milliseconds. */
  maxAge: number
  maxBytes: number
  /** Space to keep free on the file system, in bytes. */
  minFree: number
}

export interface ArchivedLog {
  path: string
  bytes: number
  /** In milliseconds. */
  closed: number
}

export type Reason = 'too old' | 'too many bytes' | 'too little free'

/** Returns the archived logs to delete, the oldest first, and why: no more than the limits require. */
export function surplus(
  logs: readonly ArchivedLog[],
  { maxAge, maxBytes, minFree }: RetentionLimits,
  free: number,
  now: number
): { log: ArchivedLog; reason: Reason }[] {
  let bytes = logs.reduce((sum, log) => sum + log.bytes, 0)
  const reasonOf = (log: ArchivedLog): Reason | undefined => {
    if (maxAge > 0 && now - log.closed > maxAge) return 'too old'
    if (maxBytes > 0 && bytes > maxBytes) return 'too many bytes'
    if (free < minFree) return 'too little free'
  }
  const deleted = []
  for (const log of [...logs].sort((a, b) => a.closed - b.closed || (a.path < b.path ? -1 : 1))) {
    const reason = reasonOf(log)
    if (!reason) break
    deleted.push({ log, reason })
    bytes -= log.bytes
    free += log.bytes
  }
  return deleted
}

/** Settings of the limits: seconds, bytes, and percent of the file system. */
export interface RetentionSettings {
  agent_archive_max_age: number
  agent_archive_max_bytes: number
  agent_archive_min_free: number
}

/** What was deleted: how many logs, how large they were together, and how many for each reason. */
export interface Deleted {
  count: number
  bytes: number
  reasons: Map<Reason, number>
  /** Error that kept more from being deleted. */
  error?: string
}

/**
 * Deletes what the archive has too much of, and the directories of days that are then empty. A file that is not named
 * as an archived log stays. A missing archive counts as an empty one. Throws when the archive cannot be read.
 */
export async function retain(archive: string, settings: RetentionSettings, now: number): Promise<Deleted> {
  const deleted: Deleted = { count: 0, bytes: 0, reasons: new Map() }
  if (settings.agent_archive_max_age + settings.agent_archive_max_bytes + settings.agent_archive_min_free === 0) {
    return deleted
  }
  const days = await daysOf(archive)
  if (days.length === 0) return deleted
  const { bavail, blocks, bsize } = await statfs(archive)
  const limits = {
    maxAge: settings.agent_archive_max_age * 1000,
    maxBytes: settings.agent_archive_max_bytes,
    minFree: (blocks * bsize * settings.agent_archive_min_free) / 100
  }
  const logs = []
  for (const day of days) logs.push(...(await logsOf(join(archive, day), day)))
  try {
    for (const { log, reason } of surplus(logs, limits, bavail * bsize, now)) {
      await unlink(log.path)
      deleted.count++
      deleted.bytes += log.bytes
      deleted.reasons.set(reason, (deleted.reasons.get(reason) ?? 0) + 1)
    }
    // A directory that is not empty cannot be removed.
    for (const day of days) {
      await rmdir(join(archive, day)).catch(error => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error
      })
    }
  } catch (error) {
    deleted.error = messageOf(error)
  }
  return deleted
}

async function daysOf(archive: string): Promise<string[]> {
  const entries = await readdir(archive, { withFileTypes: true }).catch(error => {
    if (error.code !== 'ENOENT') throw error
    return []
  })
  return entries.filter(entry => entry.isDirectory() && dayPattern.test(entry.name)).map(({ name }) => name)
}

async function logsOf(directory: string, day: string): Promise<ArchivedLog[]> {
  const logs = []
  for await (const entry of await opendir(directory)) {
    const name = entry.isFile() && archivedName(day, entry.name)
    if (!name) continue
    const path = join(directory, entry.name)
    logs.push({ path, closed: name.closed, bytes: (await lstat(path)).size })
  }
  return logs
}
