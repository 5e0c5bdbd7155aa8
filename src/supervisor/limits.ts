import { messageOf } from '../errors.js'
import type { Cgroups } from './cgroups.js'
import { makeNice, niceObstacle } from './niceness.js'
import type { Exit, Limits, Program } from './program.js'

/** Returns why limits would not hold for a program, each with its name; nothing where all would. */
export function obstaclesTo({ memory_max: memoryMax, nice }: Limits, cgroups: Cgroups): string[] {
  return named({
    memory_max: memoryMax === undefined ? undefined : cgroups.obstacle(),
    nice: nice === undefined ? undefined : niceObstacle(nice)
  })
}

const named = (obstacles: Record<string, string | undefined>) =>
  Object.entries(obstacles).flatMap(([limit, why]) => (why === undefined ? [] : [`${limit}: ${why}`]))

/** Holds the processes of one program to its limits, as far as these hold here. */
export class Holder {
  #name: string
  #limits: Limits
  #cgroups: Cgroups
  /** Why a limit does not hold for its process, by the limit. */
  #obstacles: { memory_max?: string | undefined; nice?: string | undefined } = {}
  #killsBefore = 0

  constructor({ name, limits = {} }: Program, cgroups: Cgroups) {
    this.#name = name
    this.#limits = limits
    this.#cgroups = cgroups
  }

  /** Returns why its process is not held to a limit, each with its name. */
  get obstacles(): string[] {
    return named(this.#obstacles)
  }

  /** Returns the cgroup that the next process is to join before it becomes the program; undefined: it joins none. */
  prepare(): string | undefined {
    this.#obstacles = {}
    const { memory_max: memoryMax } = this.#limits
    if (memoryMax === undefined) return undefined
    try {
      const cgroup = this.#cgroups.make(this.#name, memoryMax)
      this.watch()
      return cgroup
    } catch (error) {
      this.#obstacles.memory_max = messageOf(error)
      return undefined
    }
  }

  /** Takes note of what has been killed until now: only what is killed later counts. */
  watch(): void {
    this.#killsBefore = this.#cgroups.kills(this.#name)
  }

  /** Gives a process that has just been started its niceness. */
  begun(pid: number): void {
    const { nice } = this.#limits
    if (nice === undefined || pid === 0) return
    try {
      makeNice(pid, nice)
    } catch (error) {
      // It may have ended already.
      if ((error as NodeJS.ErrnoException & { info?: { code: string } }).info?.code === 'ESRCH') return
      this.#obstacles.nice = niceObstacle(nice) ?? messageOf(error)
    }
  }

  /** Returns which limit has ended the process; undefined when none has. */
  endedBy({ signal, code, error }: Exit): string | undefined {
    const { memory_max: memoryMax } = this.#limits
    // Of an adopted process it is not known how it has ended. Otherwise another one of the program was killed.
    const wasKilled = signal === 'SIGKILL' || (signal === undefined && code === undefined && error === undefined)
    if (memoryMax === undefined || !wasKilled || this.#cgroups.kills(this.#name) <= this.#killsBefore) return undefined
    return `killed: used more than memory_max (${inMebibytes(memoryMax)} MiB)`
  }
}

const inMebibytes = (bytes: number) => Number((bytes / 1_048_576).toFixed(1))
