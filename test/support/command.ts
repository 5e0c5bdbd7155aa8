import { PassThrough, Readable } from 'node:stream'
import { run } from '../../src/cli/program.js'
import type { Io } from '../../src/cli/io.js'
import { cleanEnv } from './environment.js'

export interface Surroundings {
  env?: NodeJS.ProcessEnv
  /** What comes on standard input. */
  stdin?: string
  /** Columns of the terminal that stdout is, if it is one. */
  columns?: number
}

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

/** A terminal's environment: UTF-8, without colours, and without contexts of whoever runs the tests. */
export const plainEnv: NodeJS.ProcessEnv = {
  PATH: cleanEnv['PATH'],
  LANG: 'C.UTF-8',
  NO_COLOR: '1',
  XDG_CONFIG_HOME: '/nonexistent'
}

export function fakeIo(
  { env = {}, stdin = '', columns }: Surroundings = {},
  interrupted = new AbortController().signal
) {
  const written = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr') =>
    Object.assign(
      new PassThrough().on('data', (chunk: Buffer) => {
        written[name] += chunk.toString()
      }),
      name === 'stdout' && columns !== undefined ? { isTTY: true, columns, rows: 24 } : {}
    )
  const io: Io = {
    env: { ...plainEnv, ...env },
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout: output('stdout'),
    stderr: output('stderr'),
    interrupted,
    exitCode: 0,
    onInterrupt: undefined
  }
  return { io, written }
}

/** Starts a command in this process; what it has written so far, how it ends, and Ctrl-C. */
export function startCommand(args: readonly string[], surroundings: Surroundings = {}) {
  const interrupt = new AbortController()
  const { io, written } = fakeIo(surroundings, interrupt.signal)
  const ending = async (): Promise<Outcome> => {
    const code = await run(args, io)
    // What was written is read in a later turn.
    await new Promise(resolve => setImmediate(resolve))
    return { code, ...written }
  }
  return {
    written,
    ended: ending(),
    interrupt: () => {
      interrupt.abort()
      io.onInterrupt?.()
    }
  }
}

/** Runs a command in this process. */
export const runCommand = async (args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> =>
  await startCommand(args, surroundings).ended
