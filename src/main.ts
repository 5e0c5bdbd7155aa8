#!/usr/bin/env node
import { programPath, startsServer } from './cli/starts-server.js'
import { AppError, isOfSystem, messageOf } from './errors.js'
import type { Io } from './cli/io.js'

/** Runs a command; each loads only what it needs. Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args
  if (command === 'start' && startsServer(rest)) {
    const { start } = await import('./cli/start.js')
    return await start(rest, programPath, process.env)
  }
  const { env, stdin, stdout, stderr } = process
  const interrupt = new AbortController()
  const io: Io = { env, stdin, stdout, stderr, interrupted: interrupt.signal, exitCode: 0, onInterrupt: undefined }
  // The first says how to come back, and lets the terminal be as it was; the second ends all at once.
  process.on('SIGINT', () => {
    if (interrupt.signal.aborted) process.exit(130)
    interrupt.abort()
    io.onInterrupt?.()
  })
  // Whoever reads has seen enough: `zeek-cluster events | head`.
  for (const output of [stdout, stderr]) {
    output.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  }
  const { run } = await import('./cli/program.js')
  return await run(args, io)
}

main(process.argv.slice(2)).then(
  code => process.exit(code),
  (error: unknown) => {
    const isForeseen = error instanceof AppError || isOfSystem(error)
    console.error(`zeek-cluster: ${!isForeseen && error instanceof Error ? error.stack : messageOf(error)}`)
    process.exit(error instanceof AppError && error.code === 'invalid_request' ? 2 : 1)
  }
)
