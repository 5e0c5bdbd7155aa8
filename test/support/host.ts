import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { argumentsOf, cleanEnv, mainProgram, standIn } from './environment.js'
import { until } from './until.js'

/** The real thing: a supervisor in a process of its own. Resolves when it says that it is ready. */
export async function startHost(
  t: Pick<Test, 'teardown'>,
  flags: Record<string, string>,
  roles: readonly ('--controller' | '--agent')[] = [],
  env: NodeJS.ProcessEnv = {}
) {
  const child = spawn(process.execPath, [mainProgram, 'start', ...roles, ...argumentsOf(flags)], {
    env: { ...cleanEnv, ZEEK_BIN: standIn, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', chunk => {
    output.stdout += chunk
  })
  child.stderr.on('data', chunk => {
    output.stderr += chunk
  })
  const exited = once(child, 'exit')
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
  }
  t.teardown(() => stop())
  await until(() => output.stdout.includes('is ready') || child.exitCode !== null, 'zeek-cluster is ready')
  return { child: child as ChildProcess, pid: child.pid!, output, exited, stop }
}
