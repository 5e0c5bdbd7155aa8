import type { Static, TSchema } from '@sinclair/typebox'
import { checker } from '../../schemas/validator.js'
import { invalid, type AppError } from '../errors.js'
import type { Asking, Context, Handlers, Link, LinkReply } from '../link/link.js'

/**
 * A method of one end of a link: its parameters, its answer (a notification has none), and the parts before the answer.
 */
export interface Definition {
  params: TSchema
  answer?: TSchema
  part?: TSchema
}
export type Definitions = Readonly<Record<string, Definition>>

export type ParamsOf<D extends Definition> = Static<D['params']>
export type AnswerOf<D extends Definition> = D extends { answer: infer A extends TSchema } ? Static<A> : void
export type PartOf<D extends Definition> = D extends { part: infer P extends TSchema } ? Static<P> : never

export interface ContextOf<D extends Definition> extends Omit<Context, 'part'> {
  part: (value: PartOf<D>) => void
}

/** A handler for every method: one that is missing, or answers something else, does not compile. */
export type Served<T extends Definitions> = {
  [M in keyof T]: (params: ParamsOf<T[M]>, context: ContextOf<T[M]>) => AnswerOf<T[M]> | Promise<AnswerOf<T[M]>>
}

export interface AskOptions<D extends Definition> extends Omit<Asking, 'onPart'> {
  onPart?: ((part: PartOf<D>) => void) | undefined
  /** What errors name as the source of a wrong answer: by default the method. */
  from?: string
}

export type Ask<T extends Definitions> = <M extends keyof T & string>(
  link: Link,
  method: M,
  params: ParamsOf<T[M]>,
  options: AskOptions<T[M]>
) => Promise<AnswerOf<T[M]>>

/** Nothing of an answer that its schema does not name is passed on; the version after ours may send more. */
const checkOf = (schema: TSchema | undefined) => schema && checker(schema, invalid, 'drop')

/**
 * Returns handlers for a link that are called only with parameters that fit the schema of their method. Members that a
 * closed object does not name are refused, or dropped with `unknown: 'drop'`.
 */
export function serve<T extends Definitions>(
  definitions: T,
  served: Served<T>,
  { unknown = 'exact' }: { unknown?: 'exact' | 'drop' } = {}
): Handlers {
  return Object.fromEntries(
    Object.entries(definitions).map(([method, { params }]) => {
      const check = checker(params, invalid, unknown)
      const handler = served[method as keyof T] as (params: unknown, context: unknown) => unknown
      return [method, (params: unknown, context: Context) => handler(check(params, method), context)]
    })
  )
}

/** Returns a late reply with its answer checked: one that does not fit becomes an error. */
function checked(reply: LinkReply, check: (result: unknown) => unknown): LinkReply {
  if ('error' in reply) return reply
  try {
    return { result: check(reply.result) }
  } catch (error) {
    return { error: error as AppError }
  }
}

/** Returns a function that asks the other end's methods, and refuses an answer or a part that does not fit. */
export function asking<T extends Definitions>(definitions: T): Ask<T> {
  const checks = new Map(
    Object.entries(definitions).map(([method, { answer, part }]) => [
      method,
      { answer: checkOf(answer), part: checkOf(part) }
    ])
  )
  return async (link, method, params, { onPart, late, from = method, ...options }) => {
    const { answer, part } = checks.get(method)!
    const result = await link.ask(method, params, {
      ...options,
      ...(late && { late: reply => late(answer ? checked(reply, result => answer(result, from)) : reply) }),
      onPart: onPart && (value => onPart(part?.(value, from) as never))
    })
    return answer?.(result, from) as never
  }
}

/** Sends a notification to the other end: one of its methods, with parameters of the form that its schema has. */
export type Notify<T extends Definitions> = <M extends keyof T & string>(
  link: Link,
  method: M,
  params: ParamsOf<T[M]>
) => void

/** Returns a function that sends notifications for the other end's methods. */
export function notifying<T extends Definitions>(_definitions: T): Notify<T> {
  return (link, method, params) => link.notify(method, params)
}
