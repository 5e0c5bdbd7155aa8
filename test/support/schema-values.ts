import type { TSchema } from '@sinclair/typebox'
import fc from 'fast-check'
import { components } from '../../schemas/validator.js'
import { altered, nodesOf } from './arbitraries.js'
import { nasty } from './nasty.js'

const named = new Map(components.map(schema => [`${schema.$id}#`, schema as TSchema]))
const samples: Record<string, fc.Arbitrary<string>> = {
  ip: fc.oneof(fc.ipV4(), fc.ipV6()),
  'date-time': fc.constant('2026-11-22T14:48:56.123Z')
}

function text({ pattern, format, minLength = 0 }: TSchema): fc.Arbitrary<string> {
  if (format !== undefined) return samples[format] ?? fc.webPath()
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  return fc.string({ minLength, maxLength: minLength + 20 })
}

/** Values that fit a schema. */
export function fitting(schema: TSchema): fc.Arbitrary<unknown> {
  const whole = schema.$ref === undefined ? schema : named.get(schema.$ref)!
  if (whole.const !== undefined) return fc.constant(whole.const)
  if (whole.enum) return fc.constantFrom(...whole.enum)
  if (whole.anyOf) return fc.oneof(...whole.anyOf.map(fitting))
  switch (whole.type) {
    case 'string':
      return text(whole)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return integer(whole)
    case 'number':
      return fc.integer({ min: whole.exclusiveMinimum === undefined ? Math.ceil(whole.minimum ?? 0) : 1, max: 1000 })
    case 'array':
      return fc.array(fitting(whole.items), { minLength: whole.minItems ?? 0, maxLength: 3 })
    case 'object':
      return object(whole)
    default:
      return fc.jsonValue()
  }
}

/** Small ones, since they may be numbers of things, unless none is. */
function integer({ minimum: min = -5, maximum = 1000 }: TSchema): fc.Arbitrary<number> {
  return fc.integer({ min, max: Math.max(min, Math.min(maximum, 70_000)) })
}

function object({ properties = {}, required = [] }: TSchema): fc.Arbitrary<unknown> {
  const members = Object.fromEntries(Object.entries<TSchema>(properties).map(([key, member]) => [key, fitting(member)]))
  return fc.record(members, { requiredKeys: required, noNullPrototype: true })
}

/** What no schema lets in, or what gets by one that is careless. */
const odd = fc.oneof(
  nasty,
  fc.jsonValue(),
  fc.constantFrom<unknown>(
    undefined,
    null,
    -1,
    1e308,
    0.5,
    '',
    [],
    {},
    { valueOf: 1, toString: 1 },
    { then: 1, toJSON: 1 },
    { type: 'audit', reqid: 'x', instance: 'agent-a', node: 'manager' },
    JSON.parse('{"__proto__":{"type":"audit"},"constructor":1}'),
    'x'.repeat(100_000),
    Array(20_000).fill(0)
  )
)

/** A fitting value in which some places hold something odd, or nothing. */
export const almostFitting = (schema: TSchema): fc.Arbitrary<unknown> =>
  fc
    .tuple(fitting(schema), fc.array(fc.tuple(fc.nat(), odd), { maxLength: 3 }))
    .map(([value, oddities]) =>
      oddities.reduce<unknown>((whole, [at, other]) => altered(whole, at % Math.max(1, nodesOf(whole)), other), value)
    )
