import { Type, type TUnsafe } from '@sinclair/typebox'

/** What a node is told to load, to listen on and to be set to: members of a node, and of a group of workers. */

interface StringMapOptions {
  id: string
  /** The pattern of a name. */
  names: string
  /** The pattern of a value. */
  values: string
  /** What a value is expected to be, in words. */
  expected: string
  description: string
  examples: unknown[]
}

/** A map from names of one form to strings of another. */
export function StringMap({
  id,
  names,
  values,
  expected,
  description,
  examples
}: StringMapOptions): TUnsafe<Record<string, string>> {
  return Type.Unsafe<Record<string, string>>({
    $id: id,
    type: 'object',
    propertyNames: { type: 'string', pattern: names, maxLength: 256 },
    additionalProperties: { type: 'string', maxLength: 8192, pattern: values, 'x-expected': expected },
    maxProperties: 256,
    description,
    examples
  })
}

/**
 * A script without white space, so that it stays one argument; without a leading dash, so that it is no flag; without
 * "=", so that it is no option; without "::", so that it is no plugin.
 */
const Script = Type.String({
  pattern: '^[A-Za-z0-9_./@+~](:?[^\\s=:\\u0000-\\u001f\\u007f])*:?$',
  maxLength: 1024,
  'x-expected': 'the name of a script: without white space, "=" and "::", and no flag',
  examples: ['policy/tuning/json-logs']
})
export const LoadLocal = Type.Boolean({
  description: 'Whether it loads `scripts/local.zeek` of the bundle. Default: true.'
})
export const Scripts = Type.Array(Script, { maxItems: 1000, description: 'Loaded in this order.' })

export const Interface = Type.String({
  pattern: '^[A-Za-z0-9_./][^\\s\\u0000-\\u001f\\u007f]*$',
  maxLength: 256,
  'x-expected': 'one interface per node, without white space, and no flag',
  description: 'A packet source, as for zeek -i.',
  examples: ['af_packet::eth0']
})

/** The least that a process may be limited to, in bytes: a Zeek with less would end before it has begun. */
export const memoryMaxMin = 16_777_216
export const MemoryMax = Type.Integer({
  minimum: memoryMaxMin,
  maximum: Number.MAX_SAFE_INTEGER,
  description:
    'The most memory that it may use, in bytes: at more the kernel ends it. It holds where its host allows it.',
  examples: [8_589_934_592]
})
export const Nice = Type.Integer({
  minimum: -20,
  maximum: 19,
  description: 'Its niceness: one with more gets less of a CPU that others want. It holds where its host allows it.',
  examples: [5]
})

/** Text without control characters, since each value becomes an argument. */
export const plain = '^[^\\u0000-\\u001f\\u007f]*$'
/**
 * Text with quotes in pairs and no backslash at the end: otherwise Zeek would take what follows, another option, for a
 * part of the value.
 */
const paired =
  '^([^"\\\\\\u0000-\\u001f\\u007f]|\\\\[^\\u0000-\\u001f\\u007f]|"([^"\\\\\\u0000-\\u001f\\u007f]|\\\\[^\\u0000-\\u001f\\u007f])*")*$'

export const NodeOptions = StringMap({
  id: 'NodeOptions',
  names: '^[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)*$',
  values: paired,
  expected: 'a text without control characters, with its quotes in pairs and no backslash at its end',
  description:
    'Zeek options by full name, with values as on Zeek\'s command line: strings without quotes, sets as {"a","b"}. Each becomes a redef of the node.',
  examples: [{ 'Log::default_rotation_interval': '1hr' }]
})

export const NodeEnvironment = StringMap({
  id: 'NodeEnvironment',
  names: '^[A-Za-z_][A-Za-z0-9_]*$',
  values: plain,
  expected: 'a text without control characters',
  description: 'Environment variables of the node.',
  examples: [{ MSG: 'hello world' }]
})
