import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Finding } from '../../../schemas/operations.js'
import { messageOf, requestTimedOut } from '../../errors.js'
import { describeExit } from '../../supervisor/program.js'
import { Reports } from '../../zeek/report.js'

/** A zeek that is to parse its scripts (`-a`) and no more. */
export interface Parsing {
  command: readonly string[]
  cwd: string
  env: Record<string, string>
  timeoutMs: number
  /** Of findings. */
  max: number
}

/** How long what its children have still to say is waited for. */
const drainMs = 1000

/**
 * Has zeek parse what it is given, and returns what it found. Never rejects. It is killed, with its children, when its time is
 * over or the signal aborts, and that is a finding.
 */
export async function parse(
  { command: [executable, ...args], cwd, env, timeoutMs, max }: Parsing,
  signal: AbortSignal
): Promise<Finding[]> {
  const reports = new Reports(max)
  const error = (message: string): Finding => ({ level: 'error', message })
  if (signal.aborted) return [error(requestTimedOut)]
  // A group of its own, to be killed as one. A command line is checked before: nothing here throws.
  const child = spawn(executable!, args, { cwd, env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr.setEncoding('utf8').on('data', text => reports.push(text))
  let killed: string | undefined
  const kill = (why: string) => {
    killed ??= why
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  const giveUp = () => kill(requestTimedOut)
  const timer = setTimeout(() => kill(`zeek -a has not ended within ${timeoutMs / 1000} seconds`), timeoutMs)
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    const closed = once(child, 'close').catch(() => {})
    const [code, by] = (await once(child, 'exit')) as [number | null, string | null]
    const drain = setTimeout(() => child.stderr.destroy(), drainMs)
    await closed
    clearTimeout(drain)
    const findings = reports.findings()
    if (killed !== undefined) return [error(killed), ...findings.slice(0, max - 1)]
    if (code === 0 || findings.some(({ level }) => level === 'error')) return findings
    const end = describeExit({ ...(code === null ? {} : { code }), ...(by === null ? {} : { signal: by }) })
    return [
      error(reports.lastLines === '' ? `zeek -a ${/^killed/.test(end) ? 'was ' : ''}${end}` : reports.lastLines),
      ...findings.slice(0, max - 1)
    ]
  } catch (failure) {
    return [error(`zeek -a cannot be run: ${messageOf(failure)}`)]
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}
