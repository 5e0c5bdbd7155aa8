import type { Schema } from './connection.js'

/** A log of a capture that is another one than before, or than expected. */
export type DifferingLog = Schema['LogLines'] & Pick<Schema['CaptureResult'], 'file'>

/** Returns the logs of captures that are others than before, or than expected, in their order. */
export function differingLogs(captures: readonly Schema['CaptureResult'][]): DifferingLog[] {
  return captures.flatMap(({ file, logs }) => logs.filter(differs).map(lines => ({ file, ...lines })))
}

const differs = ({ before, now, expected }: Schema['LogLines']) =>
  (before !== undefined && before !== now) || (expected !== undefined && expected !== now)
