import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

const { R_OK, W_OK, X_OK } = constants

/** Returns whether the system has refused access, which does not say whether the file exists. */
export function isRefused(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(String((error as NodeJS.ErrnoException).code))
}

/** Calls that change the entries of a directory, whether or not the entry exists already. */
const ofDirectory = /^(mkdir|mkdtemp|rmdir|unlink|rm|rename|link|symlink)$/

/**
 * Explains in one line what the system refuses: where the obstacle is, who owns it, who we are, and what to do.
 * Undefined for anything else that was thrown.
 */
export function refusalOf(error: unknown): string | undefined {
  const { code, message, syscall, path, dest, port } = (error ?? {}) as NodeJS.ErrnoException & {
    dest?: string
    port?: number
  }
  if (syscall === undefined || !['EACCES', 'EPERM', 'EROFS'].includes(String(code))) return undefined
  if (syscall === 'listen') {
    const isPrivileged = port !== undefined && port < 1024
    return isPrivileged ? `${message}: ports below 1024 are for root, and for who has CAP_NET_BIND_SERVICE` : undefined
  }
  if (syscall.startsWith('spawn') && code === 'EPERM') return `${message}: ${beyondBounds()}`
  if (path === undefined) return undefined
  if (code === 'EROFS') {
    return `${message}: it is mounted read-only, or so for this service (ProtectSystem=, ReadWritePaths= of systemd)`
  }
  return refusalAt(dest === undefined ? [path] : [path, dest], syscall, message)
}

/** Returns why a call about these paths is refused: a rename and a link concern two. */
function refusalAt(paths: readonly [string, ...string[]], syscall: string, message: string): string | undefined {
  try {
    for (const path of paths) {
      const found = obstacleTo(path, syscall)
      if (found !== undefined) return found
    }
    if (syscall === 'chmod') return describe('change the mode of', resolve(paths[0]))
    return `${message}: mode and owner would allow it; look at SELinux, AppArmor, chattr, and what the service manager forbids`
  } catch {
    // It has changed meanwhile.
    return undefined
  }
}

/**
 * Returns what prevents us from opening a file for reading and writing, or from creating it, in the same words;
 * undefined when nothing does.
 */
export function obstacleTo(path: string, syscall = 'open'): string | undefined {
  const target = resolve(path)
  const parent = dirname(target)
  for (const directory of parentsOf(target)) {
    if (!may(directory, X_OK)) return exists(directory) ? describe('enter', directory) : obstacleTo(directory, 'mkdir')
  }
  if (ofDirectory.test(syscall) || !exists(target)) {
    return may(parent, W_OK) ? undefined : describe('write in', parent, syscall === 'mkdir' ? target : undefined)
  }
  return obstacleToUsing(target, syscall)
}

/** Returns, in the same words, that a path belongs to another user; undefined when it is ours. */
export function obstacleToOwning(path: string): string | undefined {
  return statSync(path).uid === process.geteuid!() ? undefined : describe('use', resolve(path))
}

/** The same as obstacleTo() for a path that exists and can be reached. */
function obstacleToUsing(target: string, syscall: string): string | undefined {
  const isDirectory = statSync(target).isDirectory()
  if (syscall === 'access' || syscall.startsWith('spawn')) {
    if (!may(target, X_OK)) return describe(isDirectory ? 'enter' : 'execute', target)
    return isDirectory && !may(target, W_OK) ? describe('write in', target) : undefined
  }
  return may(target, R_OK) && (isDirectory || may(target, W_OK)) ? undefined : describe('open', target)
}

/** Returns the directories above a path, from the root down. */
function parentsOf(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [...parentsOf(parent), parent]
}

function succeeds(job: () => unknown): boolean {
  try {
    job()
    return true
  } catch {
    return false
  }
}

const may = (path: string, mode: number) => succeeds(() => accessSync(path, mode))
const exists = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined

/** `missing`: a directory that was to be created there. */
function describe(what: string, path: string, missing?: string): string {
  const { uid, gid, mode } = statSync(path)
  const own = process.geteuid!()
  const [us, owner] = [nameOf('passwd', own), nameOf('passwd', uid)]
  const rights = (mode & 0o7777).toString(8).padStart(4, '0')
  const state = `it belongs to ${owner}:${nameOf('group', gid)} with mode ${rights}, and we are ${us}`
  const help =
    uid === own
      ? `chmod u+${what === 'open' ? 'rw' : 'rwx'} ${path}`
      : `${helpFromOwner(what, path, us, missing)}, or run zeek-cluster as ${owner}`
  return `cannot ${what} ${path}: ${state}: ${help}`
}

/** Returns what the owner of a path can do to permit the call. */
function helpFromOwner(what: string, path: string, us: string, missing: string | undefined): string {
  if (missing !== undefined) return `make ${missing} and give it to ${us} (install -d -o ${us} ${missing})`
  if (what === 'enter' || what === 'execute') return `let ${us} do so (chmod o+x ${path}, or a group)`
  // Directories of the system should not be given away.
  if (dirname(dirname(path)) === dirname(path)) return 'name another place'
  return `give it to ${us} (chown ${['write in', 'use'].includes(what) ? '-R ' : ''}${us} ${path})`
}

/** Returns the name of a user or group; its number where it has no name. */
function nameOf(table: 'passwd' | 'group', id: number): string {
  let entries = ''
  succeeds(() => {
    entries = readFileSync(`/etc/${table}`, 'utf8')
  })
  return new RegExp(`^([^:\n]+):[^:\n]*:${id}:`, 'm').exec(entries)?.[1] ?? String(id)
}

/** Explains a refused execution: the kernel executes no file that has capabilities outside of the bounding set. */
function beyondBounds(): string {
  let status = ''
  succeeds(() => {
    status = readFileSync('/proc/self/status', 'utf8')
  })
  const set = /^CapBnd:\s*(\S+)$/m.exec(status)?.[1] ?? 'unknown'
  return `the file has capabilities (getcap) that are not in our bounding set (capsh --decode=${set}): take CapabilityBoundingSet= out of the unit, or them from the file (setcap -r)`
}
