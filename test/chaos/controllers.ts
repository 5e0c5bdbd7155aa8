import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { argumentsOf, cleanEnv, fixture, mainProgram } from '../support/environment.js'
import { untilReady } from '../support/role.js'
import type { Dice, Run } from './run.js'

const gate = fixture('chaos', 'gate.mjs')

/**
 * One controller after the other, in the same state directory. This stands in for their supervisor, which would wait
 * longer after each kill, up to half a minute; the next processes wait behind a gate with their modules read.
 */
export class Controllers {
  readonly #run: Run
  readonly #flags: Record<string, string>
  readonly #log: number
  #now: ChildProcess
  #waiting: ChildProcess[] = []
  #isKilled = false
  #ready: Promise<unknown> = Promise.resolve()
  /** From the gate to its listening, for the last one that got there. */
  startMs = 500

  constructor(t: Test, run: Run, directory: string, flags: Record<string, string>) {
    mkdirSync(directory, { recursive: true })
    this.#run = run
    this.#flags = { ...flags, 'management-state-dir': directory }
    this.#log = openSync(join(directory, 'output'), 'a')
    this.#now = this.#spawn()
    t.teardown(() => {
      for (const child of [this.#now, ...this.#waiting]) child.kill('SIGKILL')
    })
    this.#start()
  }

  /** Resolves when the present one listens, or is gone. */
  get ready(): Promise<unknown> {
    return this.#ready
  }

  /** Ends the present one, and has the next take its place. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    await this.end(signal)
    this.#now = this.#waiting.shift() ?? this.#spawn()
    this.#start()
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#isKilled = true
    const gone = once(this.#now, 'exit')
    this.#run.add({ kind: 'kill', at: Date.now(), signal })
    this.#now.kill(signal)
    await gone
  }

  #spawn(): ChildProcess {
    const args = argumentsOf(this.#flags)
    return spawn(process.execPath, ['--import', gate, mainProgram, 'start', '--controller', ...args], {
      env: { ...cleanEnv, ZEEK_MANAGEMENT_NODE: 'CONTROLLER' },
      stdio: ['ignore', this.#log, this.#log, 'ipc']
    })
  }

  #start(): void {
    const child = this.#now
    const before = performance.now()
    this.#isKilled = false
    child.send('go')
    const said = untilReady(child).then(() => {
      this.startMs = performance.now() - before
      // Not before: they would slow down the start.
      while (this.#waiting.length < 2) this.#waiting.push(this.#spawn())
    })
    const gone = once(child, 'exit').then(([code, signal]) => {
      if (!this.#isKilled) this.#run.faults.push(`the controller ended by itself: ${code ?? signal}`)
    })
    this.#ready = Promise.race([said, gone]).catch(() => {})
  }
}

/** Kills at random moments: while it starts, soon after, while a deployment or restart is under way, at any time. */
export async function killAgainAndAgain(run: Run, controllers: Controllers, dice: Dice, count: number): Promise<void> {
  for (let kills = 0; kills < count; kills++) {
    const moment = dice.next()
    if (moment < 0.3) await sleep(dice.between(0, 1.2) * controllers.startMs)
    else {
      await controllers.ready
      if (moment < 0.4) await sleep(dice.between(0, 200))
      else if (moment < 0.7) {
        await Promise.race([asked(run), sleep(1_500)])
        await sleep(dice.between(0, 400))
      } else await sleep(dice.between(100, dice.chance(0.2) ? 4_000 : 1_500))
    }
    await controllers.kill(dice.chance(0.1) ? 'SIGTERM' : 'SIGKILL')
  }
}

/** Someone has asked for what takes its time. */
async function asked(run: Run): Promise<void> {
  await new Promise<void>(resolve => {
    const look = (line: Run['lines'][number]) => {
      if (line.kind !== 'ask' || (line.type !== 'deploy' && line.type !== 'restart')) return
      run.off('line', look)
      resolve()
    }
    run.on('line', look)
  })
}
