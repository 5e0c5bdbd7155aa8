import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { messageOf } from '../errors.js'

/** The cgroup that our unit has systemd start the supervisor in (DelegateSubgroup=). */
const ownName = 'supervisor'
const mounts = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']

/**
 * Returns the cgroup that was delegated to this process: the one around its own, if that is named `supervisor`.
 * Undefined where there is none. No other is taken, and this process moves to none: one that has children with limits
 * cannot hold processes itself, so that systemd could not start the next supervisor there.
 */
export function delegatedCgroup(root = '/'): string | undefined {
  const read = (path: string) => {
    try {
      return readFileSync(join(root, path), 'utf8')
    } catch {
      return undefined
    }
  }
  const own = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1]
  const mount = mounts.find(path => read(`${path}/cgroup.controllers`) !== undefined)
  if (own === undefined || mount === undefined || basename(own) !== ownName) return undefined
  return join(root, mount, dirname(own))
}

/**
 * Cgroups (version 2) that hold programs to limits of memory: one for each program, in a directory that is ours alone.
 * What the kernel refuses is thrown, as Node tells it.
 */
export class Cgroups {
  #root: string | undefined

  /** `root` is the directory; undefined: there is none. */
  constructor(root: string | undefined) {
    this.#root = root
  }

  /** Returns why no program can be held to a limit; undefined when each can. */
  obstacle(): string | undefined {
    const root = this.#root
    if (root === undefined) {
      return `the supervisor has no cgroup of its own (Delegate=memory and DelegateSubgroup=${ownName} of its unit, or agent_cgroup)`
    }
    try {
      if (!hasMemory(join(root, 'cgroup.controllers'))) return `cgroup ${root} has no controller of memory`
      // A process that is moved must be allowed to leave for there.
      for (const path of [root, join(root, 'cgroup.procs')]) accessSync(path, constants.W_OK)
      this.#enable(root)
      return undefined
    } catch (error) {
      return `cgroup ${root} cannot be used: ${messageOf(error)}`
    }
  }

  /** Makes the cgroup of a program, or gives that which is there another limit. Returns it. */
  make(name: string, memoryMax: number): string {
    const obstacle = this.obstacle()
    if (obstacle !== undefined) throw new Error(obstacle)
    const directory = this.#directory(name)
    try {
      mkdirSync(directory)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    writeFileSync(join(directory, 'memory.max'), String(memoryMax))
    return directory
  }

  /** Returns how many processes of a program the kernel has killed at its limit, since its cgroup was made. */
  kills(name: string): number {
    try {
      const events = readFileSync(join(this.#directory(name), 'memory.events'), 'utf8')
      return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0)
    } catch {
      return 0
    }
  }

  /** Removes the cgroup of a program, unless a process is left in it. */
  remove(name: string): void {
    if (this.#root === undefined) return
    try {
      rmdirSync(this.#directory(name))
    } catch {
      // It is in use, or there is none.
    }
  }

  #enable(root: string): void {
    const file = join(root, 'cgroup.subtree_control')
    if (!hasMemory(file)) writeFileSync(file, '+memory')
  }

  /** A name of its own: a program may be called as a file of cgroups is. */
  #directory(name: string): string {
    return join(this.#root ?? '', `node-${name}`)
  }
}

const hasMemory = (file: string) => readFileSync(file, 'utf8').trim().split(' ').includes('memory')
