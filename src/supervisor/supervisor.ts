import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../errors.js'
import { isRefused } from '../permission.js'
import { groupBy, Sequence, writeFileAtomically } from '../util.js'
import { Cgroups } from './cgroups.js'
import { History } from './history.js'
import { obstaclesTo } from './limits.js'
import type { Limits, Program, UnitStatus } from './program.js'
import { adopt, isAlive, readIdentity, terminate, type Running } from './process.js'
import { Unit, type UnitOptions } from './unit.js'

export interface SupervisorEvents {
  changed(status: UnitStatus): void
  /** An attached program has been started: its channel is `running.channel`. */
  attached(name: string, running: Running): void
}

const rotationMs = 10_000
/** Time in which a process writes its file when its supervisor is killed right after launching it, in milliseconds. */
const launchMs = 2_000

/**
 * Reads the record of a program; undefined when it is damaged. Throws when it may not be read, since it is not known
 * then what runs.
 */
function readRecord(path: string): Program | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (isRefused(error)) throw error
    return undefined
  }
}

/**
 * Keeps programs running on one host. Detached programs outlive it: every program is written down before it is started,
 * and the next supervisor takes over those that run.
 */
export class Supervisor {
  #directory: string
  #events: SupervisorEvents
  #options: UnitOptions
  #cgroups: Cgroups
  #units = new Map<string, Unit>()
  /** Runs one job at a time for each name: a start waits for the stop before it. */
  #sequences = new Map<string, Sequence>()
  #closing = false
  #rotation: NodeJS.Timeout

  /** `directory` holds a record and a pid file for each program. */
  constructor(directory: string, events: SupervisorEvents, options: UnitOptions = {}) {
    this.#directory = directory
    this.#events = events
    this.#cgroups = options.cgroups ?? new Cgroups(undefined)
    this.#options = { ...options, cgroups: this.#cgroups }
    mkdirSync(directory, { recursive: true })
    this.#rotation = setInterval(() => {
      for (const unit of this.#units.values()) unit.rotateOutput()
    }, rotationMs).unref()
  }

  /** Takes over what an earlier supervisor left: adopts detached programs, ends attached ones. Call it once, first. */
  async recover(): Promise<void> {
    const records = readdirSync(this.#directory).filter(file => file.endsWith('.json'))
    await Promise.all(
      records.map(async file => {
        const name = file.slice(0, -'.json'.length)
        const program = readRecord(join(this.#directory, file))
        const pidFile = this.#pidFile(name)
        for (let waited = 0; !readIdentity(pidFile) && waited < launchMs; waited += 50) await sleep(50)
        const identity = readIdentity(pidFile)
        if (identity && isAlive(identity)) {
          if (program?.kind === 'detached') return this.#add(program).start(adopt(identity, 'detached'))
          // It is attached, or its record is lost: it must not run beside its successor.
          await terminate(adopt(identity, program?.kind ?? 'detached'), program?.stopTimeoutMs ?? launchMs)
        }
        if (program?.output) new History(program.output.directory).endUnseen()
        await this.#forget(name)
      })
    )
  }

  status(): UnitStatus[] {
    return [...this.#units.values()].map(unit => unit.status)
  }

  /** Returns why such limits would not hold for a program, each with its name. */
  obstacles(limits: Limits): string[] {
    return obstaclesTo(limits, this.#cgroups)
  }

  /** Returns the last lines that a program has written. */
  output(name: string): { stdout: string; stderr: string } {
    return this.#unit(name).tail
  }

  /** Starts a program, in place of one of the same name. Resolves once it is written down and on its way. */
  start(program: Program): Promise<void> {
    return this.#inTurn(program.name, async () => {
      this.#mustRun()
      await this.#units.get(program.name)?.stop()
      this.#cgroups.remove(program.name)
      await writeFileAtomically(join(this.#directory, `${program.name}.json`), JSON.stringify(program))
      if (this.#closing) await this.#forget(program.name)
      this.#mustRun()
      this.#add(program).start()
    })
  }

  /** Stops a program and forgets it. Does nothing when there is none. */
  stop(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      await this.#units.get(name)?.stop()
      this.#units.delete(name)
      await this.#forget(name)
    })
  }

  /**
   * Stops everything: detached programs first (unless they are to stay, for the next supervisor), by their stop order,
   * then attached ones. Nothing can be started meanwhile.
   */
  async close({ detachedStay = false } = {}): Promise<void> {
    this.#closing = true
    clearInterval(this.#rotation)
    const ending = this.status().filter(({ kind }) => kind === 'attached' || !detachedStay)
    const groups = groupBy(
      ending,
      ({ name, kind }) => this.#unit(name).program.stopOrder + (kind === 'detached' ? 1e6 : 0)
    )
    for (const [, group] of [...groups].sort(([a], [b]) => b - a)) {
      await Promise.all(group.map(({ name }) => this.stop(name)))
    }
  }

  #mustRun(): void {
    if (this.#closing) throw new AppError('unavailable', 'the supervisor is stopping')
  }

  #add(program: Program): Unit {
    const events = {
      changed: (status: UnitStatus) => this.#events.changed(status),
      started: (running: Running) => {
        if (running.channel) this.#events.attached(program.name, running)
      }
    }
    const unit = new Unit(program, this.#pidFile(program.name), events, this.#options)
    this.#units.set(program.name, unit)
    return unit
  }

  #unit(name: string): Unit {
    const unit = this.#units.get(name)
    if (!unit) throw new AppError('not_found', `there is no program ${name}`)
    return unit
  }

  #pidFile(name: string): string {
    return join(this.#directory, `${name}.pid`)
  }

  async #forget(name: string): Promise<void> {
    this.#cgroups.remove(name)
    for (const file of [`${name}.json`, `${name}.pid`]) await unlink(join(this.#directory, file)).catch(() => {})
  }

  #inTurn(name: string, job: () => Promise<void>): Promise<void> {
    const sequence = this.#sequences.get(name) ?? new Sequence()
    this.#sequences.set(name, sequence)
    return sequence.run(job)
  }
}
