import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Cluster } from '../flow/cluster.js'
import { cleanEnv } from '../support/environment.js'

export interface Ran {
  exit: number | null
  stdout: string
  /** On either output, as the recordings have it. */
  said: string
  /** What it printed. Throws when that is no JSON. */
  readonly json: any
}

/** A version of zeek-client, and the settings that it needs to speak plain text, and TLS. */
export interface Program {
  command: string
  plain: string
  tls: string
}

/** The real zeek-client, of one cluster's controller. */
export class ZeekClient {
  readonly #t: Test
  readonly #command: string
  readonly #directory: string
  readonly #env: NodeJS.ProcessEnv

  constructor(t: Test, { command, plain }: Program, cluster: Pick<Cluster, 'stateDir' | 'url'>, settings = plain) {
    this.#t = t
    this.#command = command
    this.#directory = cluster.stateDir('zeek-client')
    mkdirSync(this.#directory)
    // From the environment, so that the commands are those that a user types. Python is to show each line at once.
    this.#env = {
      ...cleanEnv,
      PYTHONUNBUFFERED: '1',
      ZEEK_CLIENT_CONFIG_SETTINGS: `${settings} controller.port=${new URL(cluster.url).port}`.trim()
    }
  }

  write(file: string, text: string): string {
    writeFileSync(join(this.#directory, file), text)
    return file
  }

  read(file: string): string {
    return readFileSync(join(this.#directory, file), 'utf8')
  }

  /**
   * Starts a command as it is typed (blanks separate its arguments), or its arguments. It ends with the test at the
   * latest.
   */
  start(command: string | readonly string[], input = '') {
    const args = typeof command === 'string' ? command.split(' ') : command
    // Three times what it takes at most, should it wait for ever.
    const child = spawn(this.#command, args, { cwd: this.#directory, env: this.#env, stdio: 'pipe', timeout: 60_000 })
    const output = { stdout: '', stderr: '' }
    child.stdout.on('data', chunk => {
      output.stdout += chunk
    })
    child.stderr.on('data', chunk => {
      output.stderr += chunk
    })
    // Not every command reads its input.
    child.stdin.on('error', () => {}).end(input)
    const done = once(child, 'close').then(([exit]): Ran => {
      const { stdout, stderr } = output
      return {
        exit,
        stdout,
        said: (stdout + stderr).trim(),
        get json() {
          return JSON.parse(stdout)
        }
      }
    })
    this.#t.teardown(async () => {
      child.kill('SIGKILL')
      await done
    })
    return { child, output, done }
  }

  /** Runs a command to its end. */
  async run(command: string | readonly string[], input?: string): Promise<Ran> {
    return await this.start(command, input).done
  }

  /** Runs a command that is expected to succeed. */
  async must(command: string | readonly string[], input?: string): Promise<Ran> {
    const ran = await this.run(command, input)
    if (ran.exit !== 0) throw new Error(`${String(command)}: ${ran.said}`)
    return ran
  }
}
