import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

const { R_OK, W_OK, X_OK } = constants

/** Whether the system has refused it, which says nothing of what is there. */
export function isRefused(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(String((error as NodeJS.ErrnoException).code))
}

/** Calls that change what a directory holds, whatever is there already. */
const ofDirectory = /^(mkdir|mkdtemp|rmdir|unlink|rm|rename|link|symlink)$/

/**
 * What the system says that it refuses, as one line: where the obstacle is, whose that is, who we are, and what to do.
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

/** Why a call is refused that is about these paths: a rename and a link are about two. */
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
 * What keeps us from opening a file for reading and writing, or from making it, in the same words; undefined when
 * nothing does.
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

/** The same of what is there, and can be reached. */
function obstacleToUsing(target: string, syscall: string): string | undefined {
  const isDirectory = statSync(target).isDirectory()
  if (syscall === 'access' || syscall.startsWith('spawn')) {
    if (!may(target, X_OK)) return describe(isDirectory ? 'enter' : 'execute', target)
    return isDirectory && !may(target, W_OK) ? describe('write in', target) : undefined
  }
  return may(target, R_OK) && (isDirectory || may(target, W_OK)) ? undefined : describe('open', target)
}

/** From the root down. */
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

/** `missing`: a directory that was to be made there. */
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

/** What the owner of a path can do, so that we may. */
function helpFromOwner(what: string, path: string, us: string, missing: string | undefined): string {
  if (missing !== undefined) return `make ${missing} and give it to ${us} (install -d -o ${us} ${missing})`
  if (what === 'enter' || what === 'execute') return `let ${us} do so (chmod o+x ${path}, or a group)`
  // What is the system's own is not given away.
  if (dirname(dirname(path)) === dirname(path)) return 'name another place'
  return `give it to ${us} (chown ${what === 'write in' ? '-R ' : ''}${us} ${path})`
}

/** A user's or group's name; its number where it has none. */
function nameOf(table: 'passwd' | 'group', id: number): string {
  let entries = ''
  succeeds(() => {
    entries = readFileSync(`/etc/${table}`, 'utf8')
  })
  return new RegExp(`^([^:\n]+):[^:\n]*:${id}:`, 'm').exec(entries)?.[1] ?? String(id)
}

/** The kernel executes no file whose capabilities are more than those. */
function beyondBounds(): string {
  let status = ''
  succeeds(() => {
    status = readFileSync('/proc/self/status', 'utf8')
  })
  const set = /^CapBnd:\s*(\S+)$/m.exec(status)?.[1] ?? 'unknown'
  return `the file has capabilities (getcap) that are not in our bounding set (capsh --decode=${set}): take CapabilityBoundingSet= out of the unit, or them from the file (setcap -r)`
}
