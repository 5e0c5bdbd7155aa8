import { statSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cgroups } from './cgroups.js'
import { History } from './history.js'
import { Holder } from './limits.js'
import { Output } from './output.js'
import { describeExit, type Exit, type Program, type UnitState, type UnitStatus } from './program.js'
import { launch, terminate, type Running } from './process.js'
import { afterExit } from './restart.js'

export interface UnitOptions {
  /** The umask of programs; undefined: ours. */
  umask?: number | undefined
  /** Where programs are held to limits of memory; default: nowhere. */
  cgroups?: Cgroups
}

export interface UnitEvents {
  changed(status: UnitStatus): void
  /** A process of the program has started, or was adopted. */
  started(running: Running): void
}

/** One program, kept running from `start` to `stop`. */
export class Unit {
  readonly program: Program
  #pidFile: string
  #events: UnitEvents
  #umask: number | undefined
  #limits: Holder
  #output: Output | undefined
  #history: History | undefined
  #state: UnitState = 'STOPPED'
  #reason = 'not started'
  #running: Running | undefined
  #restarts = 0
  #stopping = new AbortController()
  /** How it was stopped, in words. */
  #stopped = 'stopped'
  #life: Promise<void> = Promise.resolve()

  constructor(
    program: Program,
    pidFile: string,
    events: UnitEvents,
    { umask, cgroups = new Cgroups(undefined) }: UnitOptions = {}
  ) {
    this.program = program
    this.#pidFile = pidFile
    this.#events = events
    this.#umask = umask
    this.#limits = new Holder(program, cgroups)
    if (program.output) {
      this.#output = new Output(program.output.directory, program.output.maxBytes)
      this.#history = new History(program.output.directory)
    }
  }

  get status(): UnitStatus {
    const { name, kind, tag, origin } = this.program
    const { pid, invocation } = this.#running ?? {}
    return {
      name,
      kind,
      tag,
      ...(origin === undefined ? {} : { origin }),
      state: this.#state,
      reason: this.#reason,
      restarts: this.#restarts,
      ...(this.#running ? { pid, invocation } : {})
    }
  }

  /** The last lines of the output of its latest run. */
  get tail(): { stdout: string; stderr: string } {
    return this.#output?.tail() ?? { stdout: '', stderr: '' }
  }

  rotateOutput(): void {
    if (this.#running) this.#output?.rotate()
  }

  /** Starts it; `adopted` is a process of it that already runs. */
  start(adopted?: Running): void {
    this.#stopping = new AbortController()
    this.#life = this.#live(this.#stopping.signal, adopted)
  }

  /** Stops it. Resolves when no process of it is left. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    if (this.#running) await this.#terminate(this.#running)
    await this.#life
  }

  async #live(stopping: AbortSignal, adopted: Running | undefined): Promise<void> {
    let failures = 0
    while (!stopping.aborted) {
      const startedAt = performance.now()
      const running = adopted ?? (await this.#launch())
      if (adopted) {
        this.#limits.watch()
        this.#history?.adopt(running.pid, this.#writtenAt())
      } else this.#history?.begin(running.pid)
      if (running.pid !== 0) {
        this.#running = running
        this.#change(
          'RUNNING',
          adopted ? 'adopted' : ['started', ...this.#limits.obstacles.map(why => `without ${why}`)].join(', ')
        )
        this.#events.started(running)
      }
      adopted = undefined
      // A stop may have come while it was being launched.
      if (stopping.aborted) void this.#terminate(running)
      const exit = await running.exited
      this.#running = undefined
      const reason = this.#limits.endedBy(exit) ?? describeExit(exit)
      this.#history?.end(stopping.aborted ? this.#describeStop(exit) : reason)
      if (stopping.aborted) break
      const verdict = afterExit(this.program.restart, failures, performance.now() - startedAt)
      failures = verdict.failures
      if (verdict.delayMs === undefined) return this.#change('FAILED', `${reason}, ${failures} times in a row`)
      this.#change('CRASHED', reason)
      await sleep(verdict.delayMs, undefined, { signal: stopping }).catch(() => {})
      this.#restarts++
    }
    this.#change('STOPPED', 'stopped')
  }

  async #launch(): Promise<Running> {
    // The next supervisor must not take the last process for this one.
    await unlink(this.#pidFile).catch(() => {})
    const cgroup = this.#limits.prepare()
    const running = launch(this.program, this.#pidFile, this.#output, { umask: this.#umask, cgroup })
    this.#limits.begun(running.pid)
    return running
  }

  /** Returns when the process wrote its pid file. */
  #writtenAt(): Date {
    return statSync(this.#pidFile, { throwIfNoEntry: false })?.mtime ?? new Date()
  }

  #terminate(running: Running): Promise<void> {
    const { stopTimeoutMs } = this.program
    return terminate(running, stopTimeoutMs, () => {
      this.#stopped = `killed by SIGKILL after ${stopTimeoutMs / 1000} s`
    })
  }

  /** Describes the end of a program that was to stop: it may have ended otherwise. */
  #describeStop(exit: Exit): string {
    const { code = 0, signal = 'SIGTERM', error } = exit
    const asTold = code === 0 && signal === 'SIGTERM' && error === undefined
    return asTold || this.#stopped !== 'stopped' ? this.#stopped : `stopped: ${describeExit(exit)}`
  }

  #change(state: UnitState, reason: string): void {
    this.#state = state
    this.#reason = reason
    this.#events.changed(this.status)
  }
}
