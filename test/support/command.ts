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
  /** Ctrl-C. */
  signal?: AbortSignal
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

/** What a command reads and writes, and what it has written so far. */
export function fakeIo({ env = {}, stdin = '', columns, signal }: Surroundings = {}) {
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
    interrupted: signal ?? new AbortController().signal,
    exitCode: 0,
    onInterrupt: undefined
  }
  return { io, written }
}

/** Runs a command in this process. */
export async function runCommand(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const { io, written } = fakeIo(surroundings)
  const code = await run(args, io)
  // What was written is read in a later turn.
  await new Promise(resolve => setImmediate(resolve))
  return { code, ...written }
}
