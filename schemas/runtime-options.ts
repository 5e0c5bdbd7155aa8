import { Type, type Static } from '@sinclair/typebox'
import { closed, Cursor, ListOf, reqidExample, RequestId, Time } from './basics.js'

/** Most options that are set at once. */
export const runtimeOptionsMax = 1000

/** The full name of an option of Zeek. */
export const OptionName = Type.String({
  pattern: '^[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)*$',
  maxLength: 128,
  'x-expected': 'the full name of an option of Zeek, as Site::local_nets',
  description: 'The full name of an option of Zeek: what its scripts declare with `option`.',
  examples: ['Site::local_nets']
})

/**
 * A value as Zeek's configuration framework reads it. The reader takes blanks at either end for no part of it
 * (Config.cc), so that there must be none.
 */
export const OptionValue = Type.String({
  pattern: '^([^\\s\\u0000-\\u001f\\u007f]([^\\u0000-\\u001f\\u007f]*[^\\s\\u0000-\\u001f\\u007f])?)?$',
  maxLength: 8192,
  'x-expected': 'a text without control characters, and without blanks at its ends',
  description:
    "The value as a file of Zeek's configuration framework has it: strings without quotes, sets and vectors as `10.0.0.0/8,192.168.0.0/16`, intervals in seconds, `T` and `F`.",
  examples: ['10.0.0.0/8,192.168.0.0/16']
})

/** An option that every node has set while it runs. */
export const RuntimeOption = Type.Object({ name: OptionName, value: OptionValue })
export type RuntimeOption = Static<typeof RuntimeOption>

export const RuntimeOptions = Type.Array(RuntimeOption, { maxItems: runtimeOptionsMax })

export const OptionSetting = Type.Object(
  { value: OptionValue },
  {
    $id: 'OptionSetting',
    ...closed,
    description: 'The value of an option.',
    examples: [{ value: '10.0.0.0/8,192.168.0.0/16' }]
  }
)

export const SetOption = Type.Object(
  {
    ...RuntimeOption.properties,
    set_at: Time,
    reqid: RequestId
  },
  {
    $id: 'SetOption',
    ...closed,
    description: 'An option that is set while nodes run, and the request that has set it.',
    examples: [
      {
        name: 'Site::local_nets',
        value: '10.0.0.0/8,192.168.0.0/16',
        set_at: '2026-11-22T14:48:56.123Z',
        reqid: reqidExample
      }
    ]
  }
)
export type SetOption = Static<typeof SetOption>

export const SetOptionList = Type.Object(
  { options: ListOf(SetOption, { maxItems: runtimeOptionsMax }), event_cursor: Cursor },
  {
    $id: 'SetOptionList',
    ...closed,
    description: 'The options that are set while nodes run, sorted by name.',
    examples: [{ options: SetOption.examples, event_cursor: 'k3v9q2.1042' }]
  }
)
