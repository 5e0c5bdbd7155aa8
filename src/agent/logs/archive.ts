import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream, type Stats } from 'node:fs'
import { access, lstat, mkdir, open, opendir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { messageOf } from '../../errors.js'
import { isRefused } from '../../permission.js'
import { archivePlace, type ArchivePlace } from '../../zeek/log-name.js'

/** A log that waits in the queue. */
export interface QueuedLog {
  name: string
  place: ArchivePlace
  bytes: number
  /** When it came into the queue, in milliseconds: its ctime, since the rename was its last change. */
  since: number
}

/**
 * Returns the logs of a queue, sorted by name, and the names of files that are not logs. A missing queue counts as an
 * empty one. Throws when the queue cannot be read.
 */
export async function readQueue(queue: string): Promise<{ logs: QueuedLog[]; others: string[] }> {
  const logs: QueuedLog[] = []
  const others: string[] = []
  const directory = await opendir(queue).catch(error => {
    if (error.code !== 'ENOENT') throw error
  })
  for await (const { name } of directory ?? []) {
    const place = archivePlace(name)
    const stats = await lstat(join(queue, name)).catch(error => {
      if (error.code !== 'ENOENT') throw error
    })
    if (place && stats?.isFile()) logs.push({ name, place, bytes: stats.size, since: stats.ctimeMs })
    else if (stats && !name.startsWith('.')) others.push(name)
  }
  return { logs: logs.sort((a, b) => (a.name < b.name ? -1 : 1)), others }
}

/** Errors after which nothing else can be written either. */
const hopeless = ['ENOSPC', 'EDQUOT', 'EROFS']

/**
 * Moves every log of the queue into the archive, as `zeek-archiver -1` does. A log is compressed under a temporary name
 * until it is complete and on the disk, and only then removed from the queue. When this is interrupted at any point and
 * run again, nothing is lost or doubled; a file that has the same name in the archive stays. Returns how many logs were
 * archived, and what went wrong. Throws when the queue cannot be read, or another process works on it.
 */
export async function archive(queue: string, directory: string): Promise<{ archived: number; errors: string[] }> {
  if (!(await exists(queue))) return { archived: 0, errors: [] }
  // With SQLite, which the agent, who only lists the queue, does not need: 2 MB.
  const { lockDirectory } = await import('../../store/lock.js')
  const lock = lockDirectory(queue, `another one archives ${queue}`)
  const errors: string[] = []
  let archived = 0
  try {
    for (const { name, place } of (await readQueue(queue)).logs) {
      try {
        await archiveLog(join(queue, name), join(directory, place.directory), place)
        archived++
      } catch (error) {
        errors.push(`${name}: ${messageOf(error)}`)
        if (hopeless.includes((error as NodeJS.ErrnoException).code ?? '')) break
      }
    }
  } finally {
    lock.close()
  }
  return { archived, errors }
}

async function archiveLog(source: string, directory: string, { file, compressed }: ArchivePlace): Promise<void> {
  await mkdir(directory, { recursive: true })
  // The same name for every attempt, so that no temporary file is left behind.
  const temporary = join(directory, `.tmp.${file}`)
  try {
    const before = await lstat(source)
    await pipeline([
      createReadStream(source),
      ...(compressed ? [] : [createGzip()]),
      createWriteStream(temporary, { flush: true })
    ])
    if (!isSame(before, await lstat(source))) throw new Error('it is still written to')
    const target = await freeTarget(join(directory, file), source, compressed)
    await rename(temporary, target)
    await syncDirectory(directory)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
  await unlink(source)
}

/** Returns whether a path exists. Throws when it may not be seen: it may exist all the same. */
const exists = async (path: string) =>
  await access(path).then(
    () => true,
    error => {
      if (isRefused(error)) throw error
      return false
    }
  )
const isSame = (a: Stats, b: Stats) => a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs

/** Returns the path to archive under: that of a copy that an earlier attempt has left, else one that is free. */
async function freeTarget(path: string, source: string, compressed: boolean): Promise<string> {
  const [, base, extension] = /^(.*\.\d\d:\d\d:\d\d-\d\d:\d\d:\d\d[^.]*)(.*)$/s.exec(path)!
  for (let number = 1; ; number++) {
    const target = `${base}${number === 1 ? '' : `-${number}`}${extension}${compressed ? '' : '.gz'}`
    if (!(await exists(target)) || (await digestOf(source)) === (await digestOf(target, !compressed))) return target
  }
}

/** Returns a digest of what a file holds; for a file that cannot be read, a value that is like no other. */
async function digestOf(path: string, isCompressed = false): Promise<string> {
  const hash = createHash('sha256')
  return await pipeline([createReadStream(path), ...(isCompressed ? [createGunzip()] : []), hash]).then(
    () => hash.digest('hex'),
    () => randomUUID()
  )
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  await directory.sync().finally(() => directory.close())
}
