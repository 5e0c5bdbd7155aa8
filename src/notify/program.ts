import { messageOf } from '../errors.js'
import { runGroup } from '../run-group.js'
import type { Notification } from './group.js'
import { mailOf } from './mail.js'
import { asLine, type Outcome, type Sink } from './sink.js'
import { json } from './templates.js'
import type { Teller } from './words.js'

/** What a program is told of our environment: where programs and its own files are, and its language. Nothing else. */
const passedOn = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TZ']
/** The exit code by which a program says that it will never take this one (EX_DATAERR of sysexits.h). */
const refusing = 65
const outputLength = 2048

export interface ProgramOptions {
  name: string
  kind: 'mail' | 'command'
  command: readonly string[]
  /** What is shown of where it goes. */
  target: string
  /** What the program gets on its standard input. */
  input: (notification: Notification) => string
  env: NodeJS.ProcessEnv
  timeoutMs: number
}

/** A program of this host, which gets each notification on its standard input and ends with 0 once it has it. */
export class Program implements Sink {
  readonly shown: Sink['shown']
  #options: ProgramOptions

  constructor(options: ProgramOptions) {
    this.#options = options
    const { name, kind, target } = options
    this.shown = { name, kind, target }
  }

  async deliver(notification: Notification, signal: AbortSignal): Promise<Outcome> {
    const { command, input, env, timeoutMs } = this.#options
    try {
      const { code, by, givenUp, output } = await runGroup(command, {
        cwd: '/',
        env: Object.fromEntries(passedOn.flatMap(name => (env[name] === undefined ? [] : [[name, env[name]]]))),
        stdio: ['pipe', 'pipe', 'pipe'],
        input: input(notification),
        timeoutMs,
        signal,
        maxOutput: outputLength
      })
      const said = asLine(output)
      const withWhat = (detail: string) => (said === '' ? detail : `${detail}: ${said}`)
      if (givenUp === 'abort') return { state: 'failed', detail: 'it was broken off' }
      if (givenUp) return { state: 'failed', detail: withWhat(`it was killed after ${timeoutMs / 1000} s`) }
      if (code === 0) return { state: 'taken', detail: withWhat('exit code 0') }
      if (code === refusing) return { state: 'refused', detail: withWhat(`exit code ${code}`) }
      return { state: 'failed', detail: withWhat(code === null ? `killed by ${by}` : `exit code ${code}`) }
    } catch (error) {
      return { state: 'failed', detail: asLine(messageOf(error)) }
    }
  }
}

interface Common {
  name: string
  env: NodeJS.ProcessEnv
  timeoutMs: number
  teller: Teller
  now: () => number
}

/** Returns a sink that has the local sendmail deliver mails. */
export function mailSink(
  { to, from, sendmail }: { to: readonly string[]; from: string; sendmail: string },
  { teller, now, ...rest }: Common
): Program {
  return new Program({
    ...rest,
    kind: 'mail',
    // A line with a dot alone does not end it; who gets it is not read out of the mail.
    command: [sendmail, '-i', '-f', from, '--', ...to],
    target: to.join(', '),
    input: notification => mailOf(notification, { from, to }, teller, now())
  })
}

/** Returns a sink that runs a command. */
export function commandSink(command: readonly string[], { teller, now: _now, ...rest }: Common): Program {
  return new Program({
    ...rest,
    kind: 'command',
    command,
    target: command[0]!,
    input: notification => `${JSON.stringify(json(notification, teller))}\n`
  })
}
