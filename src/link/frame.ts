import { Type, type Static } from '@sinclair/typebox'
import { closed, Text } from '../../schemas/basics.js'
import { checker } from '../../schemas/validator.js'
import { AppError, invalid } from '../errors.js'
import { maxTimerMs } from '../util.js'

const Id = Type.Integer({ minimum: 1 })
const Method = Type.String({ maxLength: 64 })

/** Message between the ends of a link, as JSON. What a message holds is checked by the methods. */
const Frame = Type.Union([
  Type.Object(
    {
      ask: Id,
      method: Method,
      params: Type.Optional(Type.Unknown()),
      timeout: Type.Number({ exclusiveMinimum: 0, maximum: maxTimerMs })
    },
    closed
  ),
  Type.Object({ answer: Id, result: Type.Optional(Type.Unknown()) }, closed),
  Type.Object(
    { answer: Id, error: Type.Object({ code: Type.String({ maxLength: 64 }), message: Text(8192) }, closed) },
    closed
  ),
  Type.Object({ part: Id, value: Type.Optional(Type.Unknown()) }, closed),
  Type.Object({ notify: Method, params: Type.Optional(Type.Unknown()) }, closed),
  Type.Object({ cancel: Id }, closed),
  Type.Object({ ping: Type.Literal(true) }, closed)
])
export type Frame = Static<typeof Frame>
/** Question, which is answered exactly once. `timeout` is in milliseconds. */
export type Question = Extract<Frame, { ask: number }>

const check = checker(Frame, invalid)

/** Parses a frame. Throws an AppError that quotes the text when it is none. */
export function parseFrame(text: string): Frame {
  try {
    return check(JSON.parse(text), 'frame')
  } catch {
    throw new AppError('invalid_request', `not a frame: ${JSON.stringify(text.slice(0, 80))}`)
  }
}
