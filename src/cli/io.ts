import type { Readable, Writable } from 'node:stream'
import type { ExitCode } from '../client/failure.js'
import { printableJson, screenOf, type Screen } from '../terminal/screen.js'

type Terminal = { isTTY?: boolean; columns?: number; rows?: number }

/** Where a command reads and writes; all of the process that it sees. */
export interface Io {
  env: NodeJS.ProcessEnv
  stdin: Readable & { isTTY?: boolean; setRawMode?: (mode: boolean) => unknown }
  /** Results. */
  stdout: Writable & Terminal
  /** Progress, remarks and errors. */
  stderr: Writable & Terminal
  /** Aborted by Ctrl-C. */
  interrupted: AbortSignal
  /** What the process ends with; set by the command. */
  exitCode: ExitCode
  /** Called with Ctrl-C: what to say before the process ends. */
  onInterrupt: (() => void) | undefined
}

export const screenFor = ({ stdout, env }: Io): Screen => screenOf(stdout, env)

/** Writes lines of results. */
export function print({ stdout }: Pick<Io, 'stdout'>, ...lines: readonly string[]): void {
  for (const line of lines) stdout.write(`${line}\n`)
}

/** Writes lines for a person, beside the results. */
export function remark({ stderr }: Pick<Io, 'stderr'>, ...lines: readonly string[]): void {
  for (const line of lines) stderr.write(`${line}\n`)
}

/** Writes a result for a program. */
export function printJson(io: Pick<Io, 'stdout'>, value: unknown): void {
  print(io, printableJson(value, 2))
}

/** Writes one of many results for a program, in a line. */
export function printJsonLine(io: Pick<Io, 'stdout'>, value: unknown): void {
  print(io, printableJson(value))
}
