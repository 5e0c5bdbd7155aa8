import { spawn, type ChildProcess } from 'node:child_process'
import type { Test } from 'tap'
import { argumentsOf, cleanEnv, mainProgram, standIn } from '../support/environment.js'
import { until } from '../support/until.js'

interface ServiceOptions {
  /** What is to run it, for example in another network. */
  prefix?: readonly string[]
  env?: NodeJS.ProcessEnv
  /** Default: this checkout. */
  program?: readonly string[]
}

/** Keeps a supervisor running, as systemd does with Restart=always and KillMode=process. */
export class Service {
  readonly #command: string[]
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | undefined
  #stopping = false

  private constructor(
    roles: readonly string[],
    flags: Record<string, string>,
    { prefix = [], env = {}, program = [process.execPath, mainProgram] }: ServiceOptions
  ) {
    this.#env = { ...cleanEnv, ZEEK_BIN: standIn, ...env }
    this.#command = [...prefix, ...program, 'start', ...roles, ...argumentsOf(flags)]
    this.#start()
  }

  static start(
    t: Test,
    roles: readonly string[],
    flags: Record<string, string>,
    options: ServiceOptions = {}
  ): Service {
    const service = new Service(roles, flags, options)
    t.teardown(() => service.stop())
    return service
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#child?.kill()
    await until(() => !this.#child, 'the supervisor has ended')
  }

  #start(): void {
    this.#child = spawn(this.#command[0]!, this.#command.slice(1), { env: this.#env, stdio: 'ignore' })
    this.#child.once('exit', () => {
      this.#child = undefined
      if (!this.#stopping) this.#start()
    })
  }
}
