import { unlink } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Output } from './output.js'
import { describeExit, type Program, type UnitState, type UnitStatus } from './program.js'
import { launch, terminate, type Running } from './process.js'
import { afterExit } from './restart.js'

export interface UnitEvents {
  changed (status: UnitStatus): void
  /** A process of the program has started, or was adopted. */
  started (running: Running): void
}

/** One program, kept running from `start` to `stop`. */
export class Unit {
  readonly program: Program
  #pidFile: string
  #events: UnitEvents
  #output: Output | undefined
  #state: UnitState = 'STOPPED'
  #reason = 'not started'
  #running: Running | undefined
  #stopping = new AbortController()
  #life: Promise<void> = Promise.resolve()

  constructor (program: Program, pidFile: string, events: UnitEvents) {
    this.program = program
    this.#pidFile = pidFile
    this.#events = events
    if (program.output) this.#output = new Output(program.output.directory, program.output.maxBytes)
  }

  get status (): UnitStatus {
    const { name, kind, tag } = this.program
    return { name, kind, tag, state: this.#state, reason: this.#reason, ...(this.#running ? { pid: this.#running.pid } : {}) }
  }

  /** The last lines of the output of its latest run. */
  get tail (): { stdout: string, stderr: string } {
    return this.#output?.tail() ?? { stdout: '', stderr: '' }
  }

  rotateOutput (): void {
    if (this.#running) this.#output?.rotate()
  }

  /** Starts it, with a process that already runs where there is one. */
  start (adopted?: Running): void {
    this.#stopping = new AbortController()
    this.#life = this.#live(this.#stopping.signal, adopted)
  }

  /** Resolves when it is stopped and no process of it is left. */
  async stop (): Promise<void> {
    this.#stopping.abort()
    if (this.#running) await terminate(this.#running, this.program.stopTimeoutMs)
    await this.#life
  }

  async #live (stopping: AbortSignal, adopted: Running | undefined): Promise<void> {
    let failures = 0
    while (!stopping.aborted) {
      const startedAt = performance.now()
      const running = adopted ?? await this.#launch()
      if (running.pid !== 0) {
        this.#running = running
        this.#change('RUNNING', adopted ? 'adopted' : 'started')
        this.#events.started(running)
      }
      adopted = undefined
      // A stop may have come while it was being launched.
      if (stopping.aborted) void terminate(running, this.program.stopTimeoutMs)
      const exit = await running.exited
      this.#running = undefined
      if (stopping.aborted) break
      const verdict = afterExit(this.program.restart, failures, performance.now() - startedAt)
      failures = verdict.failures
      const reason = describeExit(exit)
      if (verdict.delayMs === undefined) return this.#change('FAILED', `${reason}, ${failures} times in a row`)
      this.#change('CRASHED', reason)
      await sleep(verdict.delayMs, undefined, { signal: stopping }).catch(() => {})
    }
    this.#change('STOPPED', 'stopped')
  }

  async #launch (): Promise<Running> {
    // The next supervisor must not take the last process for this one.
    await unlink(this.#pidFile).catch(() => {})
    return launch(this.program, this.#pidFile, this.#output)
  }

  #change (state: UnitState, reason: string): void {
    this.#state = state
    this.#reason = reason
    this.#events.changed(this.status)
  }
}
