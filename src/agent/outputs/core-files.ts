import { lstat, open, readdir, readFile } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { messageOf } from '../../errors.js'

/** How the kernel names core files: kernel.core_pattern and kernel.core_uses_pid. */
export interface CorePattern {
  pattern: string
  usesPid: boolean
}

export async function readCorePattern(): Promise<CorePattern> {
  const [pattern, usesPid] = await Promise.all(
    ['core_pattern', 'core_uses_pid'].map(name => readFile(`/proc/sys/kernel/${name}`, 'utf8'))
  )
  return { pattern: pattern!.trim(), usesPid: usesPid!.trim() !== '0' }
}

/** Place where core files are looked for. */
export interface CoreDirectory {
  directory: string
  /** Names of core files; the groups are process IDs. */
  name: RegExp
  /** Whether others leave their core files there, too: then only the process ID shows whose one is. */
  isShared: boolean
}

const isPipe = ({ pattern }: CorePattern) => pattern.startsWith('|')

/**
 * Returns where to look for the core files of a process that ran in a directory, and notes on what cannot be found
 * there. See core(5).
 */
export function placesOf(cores: CorePattern, directory: string): { places: CoreDirectory[]; notes: string[] } {
  const usual: CoreDirectory = { directory, name: /^core(\..*)?$/, isShared: false }
  const { pattern } = cores
  if (isPipe(cores)) {
    return {
      places: [usual],
      notes: [
        `the kernel hands core files to ${pattern.slice(1)} (kernel.core_pattern): ask that for them, systemd-coredump with coredumpctl`
      ]
    }
  }
  const path = isAbsolute(pattern) ? pattern : join(directory, pattern)
  const place = {
    directory: dirname(path),
    name: nameOf(basename(path), cores.usesPid),
    isShared: dirname(path) !== directory
  }
  const lost = (why: string) => ({
    places: [usual],
    notes: [`core files go to ${pattern} (kernel.core_pattern): ${why}`]
  })
  if (place.directory.includes('%')) return lost('the directory differs from one to the next, and is not looked at')
  if (place.isShared && !/%[pPiI]/.test(basename(path)) && !cores.usesPid) {
    return lost('without a process ID in the name it cannot be told whose one is')
  }
  return { places: [usual, place], notes: [] }
}

function nameOf(pattern: string, usesPid: boolean): RegExp {
  const name = pattern.replace(/%(.)|[.*+?^${}()|[\]\\]/g, (text, specifier?: string) => {
    if (specifier === undefined) return `\\${text}`
    return specifier === '%' ? '%' : 'pPiI'.includes(specifier) ? '(\\d+)' : '.*'
  })
  return new RegExp(`^${name}${usesPid ? '(?:\\.(\\d+))?' : ''}$`, 's')
}

/**
 * Returns the newest core file of a node that runs in a directory and has had these process IDs, and notes on what
 * keeps one from being found.
 */
export async function newestCore(
  cores: CorePattern,
  directory: string,
  pids: readonly number[]
): Promise<{ core?: { path: string; time: Date }; notes: string[] }> {
  const { places, notes } = placesOf(cores, directory)
  const found: { path: string; time: Date }[] = []
  for (const { directory, name, isShared } of places) {
    const files = await readdir(directory).catch(error => {
      notes.push(`cannot look for core files: ${messageOf(error)}`)
      return []
    })
    for (const file of files) {
      const [, ...ids] = name.exec(file) ?? [undefined]
      if (!name.test(file) || (isShared && !ids.some(id => pids.includes(Number(id))))) continue
      const path = join(directory, file)
      const status = await lstat(path).catch(() => undefined)
      if (status?.isFile()) found.push({ path, time: status.mtime })
    }
  }
  for (const core of found.sort((a, b) => b.time.getTime() - a.time.getTime())) {
    if (await isCore(core.path)) return { core, notes }
    await open(core.path, 'r').then(
      file => file.close(),
      error => notes.push(`whether it is a core file is not known: ${messageOf(error)}`)
    )
  }
  notes.push(`there is no core file in ${[...new Set(places.map(({ directory }) => directory))].join(' or ')}`)
  return { notes }
}

/** The kinds of ELF files that matter here. */
const elfTypes = { executable: [2, 3], core: [4] }

const isCore = (path: string) => isElf(path, 'core')

/** Returns whether a file is an ELF file of that kind, by its header. */
export async function isElf(path: string, kind: keyof typeof elfTypes): Promise<boolean> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return false
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(18), 0, 18, 0)
    // Byte 5 tells the order of bytes in what follows: 2 is big-endian.
    return (
      bytesRead === 18 &&
      buffer.toString('latin1', 0, 4) === '\x7fELF' &&
      elfTypes[kind].includes(buffer[5] === 2 ? buffer.readUInt16BE(16) : buffer.readUInt16LE(16))
    )
  } catch {
    return false
  } finally {
    await file.close()
  }
}

/**
 * Returns a note when the kernel writes no core files of a process, as its limit is 0. `pid` is undefined for a process
 * that this one's parent is yet to start: then this process's own limit is read.
 */
export async function coreLimitNote(cores: CorePattern, pid: number | undefined): Promise<string[]> {
  // The limit does not count for a pipe.
  if (isPipe(cores)) return []
  const limits = await readFile(`/proc/${pid ?? 'self'}/limits`, 'utf8').catch(() => '')
  const [, limit] = /^Max core file size\s+(\S+)/m.exec(limits) ?? []
  if (limit === undefined) return ['the limit of core files cannot be read']
  return limit === '0'
    ? [
        `the limit of core files is 0 (of ${pid === undefined ? 'the agent, since the node does not run' : 'the node'}): a crash leaves none`
      ]
    : []
}
