import { spawn, type ChildProcess } from 'node:child_process'
import type { Test } from 'tap'
import { cleanEnv, mainProgram, standIn, until } from '../helper.js'

/** Keeps a supervisor running, as systemd does with Restart=always and KillMode=process. */
export class Service {
  readonly #command: string[]
  #child: ChildProcess | undefined
  #stopping = false

  constructor (t: Test, roles: readonly string[], flags: Record<string, string>) {
    this.#command = [mainProgram, 'start', ...roles, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)]
    this.#start()
    t.teardown(() => this.stop())
  }

  get pid (): number | undefined {
    return this.#child?.pid
  }

  async stop (): Promise<void> {
    this.#stopping = true
    this.#child?.kill()
    await until(() => !this.#child, 'the supervisor has ended')
  }

  #start (): void {
    this.#child = spawn(process.execPath, this.#command, { env: { ...cleanEnv, ZEEK_BIN: standIn }, stdio: 'ignore' })
    this.#child.once('exit', () => {
      this.#child = undefined
      if (!this.#stopping) this.#start()
    })
  }
}
