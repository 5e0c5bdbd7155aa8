import type { Capture, CaptureResult, LogLines, Replay } from '../../../schemas/captures.js'
import type { Finding } from '../../../schemas/operations.js'
import { compare, defined } from '../../util.js'

/** Logs of Zeek's own working: how many lines they have says nothing of what it sees. */
const ofZeekItself = new Set([
  'broker',
  'capture_loss',
  'cluster',
  'config',
  'loaded_scripts',
  'packet_filter',
  'prof',
  'reporter',
  'stats',
  'telemetry'
])

/** What a reading may take more than the one before: below, it is chance. */
const slower = { times: 2, seconds: 2 }
const larger = { times: 1.5, bytes: 67_108_864 }

/**
 * Compares what Zeek makes of a capture with what it made of it before, if that was tried. Pure. A reading that has
 * failed says nothing of logs: its own are not judged, and nothing is compared with the one before.
 */
export function compareReplays({ file, expected = {} }: Capture, now: Replay, before?: Replay): CaptureResult {
  const earlier = before?.error === undefined ? before : undefined
  const known = new Set((before?.findings ?? []).map(textOf))
  return {
    file,
    logs: linesOf(expected, now, earlier),
    findings: now.findings.filter(finding => !known.has(textOf(finding))),
    ...defined({ error: now.error, error_before: before?.error }),
    seconds: now.seconds,
    ...(earlier ? { seconds_before: earlier.seconds } : {}),
    memory_bytes: now.memory_bytes,
    ...(earlier ? { memory_bytes_before: earlier.memory_bytes } : {})
  }
}

function linesOf(expected: Record<string, number>, now: Replay, before: Replay | undefined): LogLines[] {
  const [after, earlier] = [now, before].map(replay => new Map(replay?.logs.map(({ log, lines }) => [log, lines])))
  const names = new Set([...Object.keys(expected), ...earlier!.keys(), ...after!.keys()])
  return [...names].sort(compare).map(log => {
    const lines = after!.get(log) ?? 0
    const were = before && (earlier!.get(log) ?? 0)
    const wanted = Object.hasOwn(expected, log) ? expected[log] : undefined
    const least = wanted ?? (ofZeekItself.has(log) ? undefined : were)
    return {
      log,
      ...(were === undefined ? {} : { before: were }),
      now: lines,
      ...(wanted === undefined ? {} : { expected: wanted }),
      lost: now.error === undefined && least !== undefined && lines < least
    }
  })
}

/** Returns what is lost: what a deployment that requires the captures is refused for. */
export function lossesOf({ file, logs, error }: CaptureResult): string[] {
  if (error !== undefined) return [`${file}: ${error}`]
  return logs.filter(({ lost }) => lost).map(lines => `${file}: ${lines.log}.log has ${countsOf(lines)}`)
}

/** Returns what else someone should look at. */
export function remarksOf({
  file,
  logs,
  findings,
  error,
  error_before: errorBefore,
  ...used
}: CaptureResult): Finding[] {
  const others = logs.filter(({ now, expected }) => error === undefined && expected !== undefined && now > expected)
  return [
    ...(errorBefore === undefined ? [] : [warning(`${file}: not compared with what is deployed: ${errorBefore}`)]),
    ...others.map(lines => warning(`${file}: ${lines.log}.log has ${countsOf(lines)}`)),
    ...findings
      .filter(({ message }) => error?.endsWith(message) !== true)
      .map(finding => ({ ...finding, ...warning(`${file}: ${finding.message}`) })),
    ...costsOf(used).map(cost => warning(`${file}: ${cost}`))
  ]
}

function costsOf({
  seconds,
  seconds_before: secondsBefore = Infinity,
  memory_bytes: memory,
  memory_bytes_before: memoryBefore = Infinity
}: Pick<CaptureResult, 'seconds' | 'seconds_before' | 'memory_bytes' | 'memory_bytes_before'>): string[] {
  const isSlower = seconds > slower.times * secondsBefore && seconds > secondsBefore + slower.seconds
  const isLarger = memory > larger.times * memoryBefore && memory > memoryBefore + larger.bytes
  return [
    ...(isSlower ? [`it takes ${seconds.toFixed(1)} s, ${secondsBefore.toFixed(1)} before`] : []),
    ...(isLarger ? [`it needs ${mebibytes(memory)} MiB of memory, ${mebibytes(memoryBefore)} before`] : [])
  ]
}

const mebibytes = (bytes: number) => Math.round(bytes / 1_048_576)

function countsOf({ before, now, expected }: LogLines): string {
  const lines = now === 0 ? 'no line' : `${now} line${now === 1 ? '' : 's'}`
  return `${lines}, ${expected === undefined ? `${before} before` : `${expected} expected`}`
}

const warning = (message: string) => ({ level: 'warning' as const, message })
const textOf = ({ level, message, file }: Finding) => JSON.stringify([level, message, file])
