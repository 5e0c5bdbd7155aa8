import { Type, type Static } from '@sinclair/typebox'
import { closed, Enum, ListOf, Text } from './basics.js'
import { bundlePath } from './bundles.js'
import { Finding } from './operations.js'

/** Recorded packets that a check has Zeek read, and what it has made of them. */

/** Most captures of a configuration: each is read twice, and a deployment waits for it. */
export const capturesMax = 16
/** Seconds that one reading may take, unless its agent says otherwise. */
export const captureSeconds = 60
/** Most logs that are told of one reading. */
export const captureLogsMax = 1000
/** Most findings that are told of one reading. */
export const captureFindingsMax = 100

const Count = (description: string) => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
const Seconds = (description: string) => Type.Number({ minimum: 0, description })

export const CaptureFile = Type.String({
  pattern: '^checks/[^\\u0000-\\u001f\\u007f\\\\]+$',
  maxLength: bundlePath.bytes,
  'x-expected': 'the path of a file in the checks/ of the bundle',
  description: 'A pcap file of the bundle, in `checks/`.',
  examples: ['checks/http.pcap']
})

/** Lines of logs by their paths, as Zeek names them. */
export const ExpectedLogs = Type.Unsafe<Record<string, number>>({
  $id: 'ExpectedLogs',
  type: 'object',
  propertyNames: { type: 'string', pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$', maxLength: 128 },
  additionalProperties: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  maxProperties: 256,
  description: 'How many lines each log is to have, by the path that Zeek has for the log.',
  examples: [{ conn: 34, http: 12 }]
})

export const Capture = Type.Object(
  { file: CaptureFile, expected: Type.Optional(Type.Unsafe<Record<string, number>>({ $ref: 'ExpectedLogs#' })) },
  {
    $id: 'Capture',
    ...closed,
    description:
      'Packets that a check has Zeek read. Logs that are not expected are compared with what the deployed configuration makes of it.',
    examples: [{ file: 'checks/http.pcap', expected: { conn: 34, http: 12 } }]
  }
)
export type Capture = Static<typeof Capture>

export const CheckRequirement = Enum(
  'CheckRequirement',
  ['captures'],
  'captures: no log of a capture has fewer lines than expected, or than before. Without it, that is a warning.'
)
export type CheckRequirement = Static<typeof CheckRequirement>

export const LogLines = Type.Object(
  {
    log: Text(256, { description: 'The path that Zeek has for the log: `conn`.' }),
    before: Type.Optional(Count('Its lines with what is deployed; absent where that was not tried.')),
    now: Count('Its lines with what is checked.'),
    expected: Type.Optional(Count('The lines that the configuration expects.')),
    lost: Type.Boolean({ description: 'Whether lines are lost: fewer than expected, or else than before.' })
  },
  {
    $id: 'LogLines',
    ...closed,
    description: 'How many lines a log has of a capture.',
    examples: [{ log: 'http', before: 12, now: 0, expected: 12, lost: true }]
  }
)
export type LogLines = Static<typeof LogLines>

export const CaptureResult = Type.Object(
  {
    file: CaptureFile,
    logs: ListOf(LogLines, { maxItems: 2 * captureLogsMax + 256 }),
    findings: ListOf(Finding, {
      maxItems: captureFindingsMax,
      description: 'What Zeek has reported, and not before.'
    }),
    error: Type.Optional(Text(8192, { description: 'Why Zeek has not read it to its end.' })),
    error_before: Type.Optional(
      Text(8192, { description: 'Why Zeek has not with what is deployed: nothing is compared with that.' })
    ),
    seconds: Seconds('How long it has taken.'),
    seconds_before: Type.Optional(Seconds('How long with what is deployed.')),
    memory_bytes: Count('The most memory that it has used.'),
    memory_bytes_before: Type.Optional(Count('The same with what is deployed.'))
  },
  {
    $id: 'CaptureResult',
    ...closed,
    description: 'What Zeek makes of a capture, beside what it made of it before.',
    examples: [
      {
        file: 'checks/http.pcap',
        logs: LogLines.examples,
        findings: [],
        seconds: 1.9,
        seconds_before: 1.8,
        memory_bytes: 135_000_000,
        memory_bytes_before: 134_000_000
      }
    ]
  }
)
export type CaptureResult = Static<typeof CaptureResult>

/** What one reading of a capture has come to, as an agent tells it. */
export const Replay = Type.Object(
  {
    logs: Type.Array(Type.Object({ log: Text(256), lines: Count('Without those of its header.') }, closed), {
      maxItems: captureLogsMax
    }),
    findings: ListOf(Finding, { maxItems: captureFindingsMax }),
    /** Why it was not read to its end. */
    error: Type.Optional(Text(8192, { minLength: 1 })),
    seconds: Seconds('How long it has taken.'),
    memory_bytes: Count('The most memory that it has used.')
  },
  closed
)
export type Replay = Static<typeof Replay>

export const captureComponents = [ExpectedLogs, CheckRequirement, LogLines, CaptureResult]
