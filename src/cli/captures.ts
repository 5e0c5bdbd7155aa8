import { differingLogs } from '../client/captures.js'
import type { Schema } from '../client/connection.js'
import type { Screen } from '../terminal/screen.js'
import { tableOf } from '../terminal/table.js'

/** What the option says that has a check, or a deployment, require captures. */
export const requireCaptures = 'fail when a capture loses lines of a log; else it is a warning'

/** Before what belongs to a result. */
const indent = '  '

/** Returns as a table which logs of captures are others than before, or than expected; nothing where none is. */
export function captureTable(captures: readonly Schema['CaptureResult'][], screen: Screen): string[] {
  const rows = differingLogs(captures)
  if (rows.length === 0) return []
  const table = tableOf(
    [
      { title: 'CAPTURE', text: ({ file }) => file, isLong: true },
      { title: 'LOG', text: ({ log }) => log, tone: ({ lost }) => (lost ? 'bad' : undefined) },
      { title: 'BEFORE', text: ({ before }) => textOf(before), isNumber: true },
      { title: 'NOW', text: ({ now }) => String(now), isNumber: true, tone: ({ lost }) => (lost ? 'bad' : undefined) },
      { title: 'EXPECTED', text: ({ expected }) => textOf(expected), isNumber: true }
    ],
    rows,
    { ...screen, columns: screen.columns === undefined ? undefined : screen.columns - indent.length }
  )
  return table.split('\n').map(line => `${indent}${line}`)
}

const textOf = (lines: number | undefined) => (lines === undefined ? '-' : String(lines))
