import type { Finding } from '../../../schemas/operations.js'
import { messageOf, requestTimedOut } from '../../errors.js'
import { describeExit } from '../../supervisor/program.js'
import { Reports } from '../../zeek/report.js'
import { runGroup } from '../../run-group.js'

/** Run of zeek that only parses its scripts (`-a`). */
export interface Parsing {
  command: readonly string[]
  cwd: string
  env: Record<string, string>
  timeoutMs: number
  /** Most findings to return. */
  max: number
}

/**
 * Runs zeek to parse what it is given, and returns its findings. Never rejects. Zeek is killed, with its children, at
 * the timeout or when the signal aborts, and that is a finding.
 */
export async function parse({ command, cwd, env, timeoutMs, max }: Parsing, signal: AbortSignal): Promise<Finding[]> {
  const reports = new Reports(max)
  const error = (message: string): Finding => ({ level: 'error', message })
  if (signal.aborted) return [error(requestTimedOut)]
  try {
    // A command line is checked before.
    const { code, by, givenUp } = await runGroup(command, {
      cwd,
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeoutMs,
      signal,
      onOutput: text => reports.push(text)
    })
    const findings = reports.findings()
    if (givenUp !== undefined) {
      const why = givenUp === 'abort' ? requestTimedOut : `zeek -a has not ended within ${timeoutMs / 1000} seconds`
      return [error(why), ...findings.slice(0, max - 1)]
    }
    if (code === 0 || findings.some(({ level }) => level === 'error')) return findings
    const end = describeExit({ code: code ?? undefined, signal: by ?? undefined })
    return [
      error(reports.lastLines === '' ? `zeek -a ${/^killed/.test(end) ? 'was ' : ''}${end}` : reports.lastLines),
      ...findings.slice(0, max - 1)
    ]
  } catch (failure) {
    return [error(`zeek -a cannot be run: ${messageOf(failure)}`)]
  }
}
