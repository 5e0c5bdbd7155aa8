import { isIP } from 'node:net'
import type { Static, TSchema } from '@sinclair/typebox'
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import type { DataValidationCxt } from 'ajv/dist/types/index.js'
import { apiComponents, type FieldError } from './api.js'
import { eventComponents } from './events.js'
import { cutKeyword } from './basics.js'
import { cut } from './cut.js'
import { suggestion } from './nearest.js'
import { bundleComponents } from './bundles.js'
import { groupComponents } from './groups.js'
import { intelComponents } from './intel.js'
import { joinComponents } from './joins.js'
import { notificationComponents } from './notifications.js'
import { replicationComponents } from './replication.js'
import { revisionComponents } from './revisions.js'
import { rolloutComponents } from './rollouts.js'
import { tokenComponents } from './tokens.js'

/** Every named schema. */
export const components = [
  ...groupComponents,
  ...apiComponents,
  ...tokenComponents,
  ...joinComponents,
  ...bundleComponents,
  ...intelComponents,
  ...revisionComponents,
  ...replicationComponents,
  ...rolloutComponents,
  ...notificationComponents,
  ...eventComponents
]

/** Ajv's options, with formats that JSON Schema does not define or Ajv does not include. */
export const ajvOptions: Options = {
  allErrors: false,
  removeAdditional: false,
  useDefaults: true,
  coerceTypes: false,
  discriminator: false,
  strict: false,
  // Checking every schema, all made by TypeBox, and optimizing the compiled code takes a third of a process's start.
  validateSchema: false,
  code: { optimize: false },
  // Errors include their schema, which says what was expected.
  verbose: true,
  formats: {
    ip: (text: string) => isIP(text) !== 0 && /[^0.:]/.test(text) && !text.includes('%'),
    'listen-ip': (text: string) => isIP(text) !== 0,
    // RFC 3339, as every JavaScript engine parses it.
    'date-time': (text: string) =>
      text.length <= 40 && /^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text)),
    'uri-reference': true
  },
  keywords: [
    {
      keyword: cutKeyword,
      type: 'string',
      schemaType: 'number',
      modifying: true,
      errors: false,
      validate: (max: number, text: string, _schema?: unknown, place?: DataValidationCxt) => {
        // A text that is the whole value is in nothing.
        if (place?.parentData) place.parentData[place.parentDataProperty] = cut(text, max)
        return true
      }
    }
  ]
}

type SchemaError = Pick<
  ErrorObject,
  'instancePath' | 'keyword' | 'message' | 'params' | 'propertyName' | 'parentSchema'
>

/** Returns Ajv's errors as paths and texts. `at` is the beginning of each path, for example "body". */
export function fieldErrors(errors: readonly SchemaError[], at: string): FieldError[] {
  // Ajv reports twice what is wrong with a name in a map, and under a condition: the reason, and the fact. Of a name
  // the fact is kept, of a condition the reason. Of a choice, which says what is expected, the fact is kept, too.
  const choices = new Set(errors.filter(({ keyword }) => keyword === 'anyOf').map(({ instancePath }) => instancePath))
  return errors
    .filter(({ propertyName, keyword }) => propertyName === undefined && keyword !== 'if')
    .filter(({ instancePath, keyword }) => keyword === 'anyOf' || !choices.has(instancePath))
    .map(error => ({ field: at + error.instancePath + ownName(error), message: textOf(error) }))
}

/** Longer names of members are cut in errors: they are the sender's, and may be as long as what it has sent. */
const shownLength = 256

/** Returns the last part of the path for an error about a member of the value that the error's path names. */
function ownName({ keyword, params }: SchemaError): string {
  switch (keyword) {
    case 'additionalProperties':
      return `/${cut(params.additionalProperty, shownLength)}`
    case 'required':
      return `/${params.missingProperty}`
    case 'propertyNames':
      return `/${cut(params.propertyName, shownLength)}`
    default:
      return ''
  }
}

function textOf({ keyword, params, message = 'is not valid', parentSchema = {} }: SchemaError): string {
  const expected: string | undefined = parentSchema['x-expected']
  switch (keyword) {
    case 'additionalProperties':
      return `is not known${suggestion(params.additionalProperty, Object.keys(parentSchema.properties ?? {}))}`
    case 'required':
      return expected === undefined ? 'is required' : `is required: ${expected}`
    case 'propertyNames':
      return 'is not a valid name'
    case 'enum':
      return `must be one of ${params.allowedValues.join(', ')}`
    case 'anyOf':
    case 'pattern':
      return expected === undefined ? message : `must be ${expected}`
    case 'format':
      return params.format.endsWith('ip')
        ? `must be an IP address${expected === undefined ? '' : `, ${expected}`}`
        : message
    default:
      return message
  }
}

/** Named schemas by `$id`. */
const named = new Map(components.map(schema => [schema.$id!, schema as TSchema]))

/** Compiles schemas. Equal schemas, as JSON texts, share one check, however often they are made. */
class Compiler {
  readonly ajv: Ajv
  #compiled = new Map<string, ValidateFunction>()
  #known = new Set<string>()

  constructor(options: Options = {}) {
    this.ajv = new Ajv({ ...ajvOptions, ...options })
  }

  compile<T extends TSchema>(schema: T): ValidateFunction<Static<T>> {
    const text = JSON.stringify(schema)
    let validate = this.#compiled.get(text)
    if (!validate) {
      this.learn(text)
      validate = this.ajv.compile(schema)
      this.#compiled.set(text, validate)
    }
    return validate as ValidateFunction<Static<T>>
  }

  /**
   * Has Ajv know the named schemas that a schema, as JSON text, has in it: all of them would take a process that needs
   * few half a megabyte, three times.
   */
  learn(text: string): void {
    for (const [, id] of text.matchAll(/"\$(?:id|ref)":"([^"#]+)#?"/g)) {
      const schema = named.get(id!)
      if (!schema || this.#known.has(id!)) continue
      this.#known.add(id!)
      this.learn(JSON.stringify(schema))
      this.ajv.addSchema(schema)
    }
  }
}

/** How a check treats what does not fit exactly. */
const manners = {
  /** It is refused. */
  exact: {},
  /** Text is converted to the type that the schema requires: settings and queries arrive as texts. */
  coerce: { coerceTypes: true },
  /**
   * Members that a closed object does not name are dropped: another version may send them, and nobody passes them on.
   */
  drop: { removeAdditional: true }
} satisfies Record<string, Options>
type Manner = keyof typeof manners

const compilers: Partial<Record<Manner, Compiler>> = {}
const compilerOf = (manner: Manner) => (compilers[manner] ??= new Compiler(manners[manner]))

/** More errors than anyone fixes at once. */
const maxErrors = 100

/** Yields all errors of a value, checking it piece by piece: a check of the whole ends at the first error. */
function* pieces(schema: TSchema, value: unknown, at: string): Generator<FieldError, void> {
  const validate: (value: unknown) => boolean = compilerOf('exact').ajv.compile(schema)
  if (validate(value)) return
  const first = (validate as ValidateFunction).errors ?? []
  let isTold = false
  for (const error of memberErrors(schema, value, at)) {
    isTold = true
    yield error
  }
  if (!isTold) yield* fieldErrors(first, at)
}

/**
 * Yields the errors of the members of an object, a map or a list; nothing for a value without members, or with too
 * many.
 */
function* memberErrors(schema: TSchema, value: unknown, at: string): Generator<FieldError, void> {
  const whole = schema.$ref === undefined ? schema : (named.get(schema.$ref.slice(0, -1)) ?? schema)
  if (whole.type === 'object' && isObject(value)) {
    if (whole.properties) yield* propertyErrors(whole, value, at)
    else if (whole.propertyNames) yield* entryErrors(whole, value, at)
  } else if (whole.items && Array.isArray(value)) yield* itemErrors(whole, value, at)
  // Of a choice only one is an object.
  else if (whole.anyOf && isObject(value)) for (const one of whole.anyOf) yield* memberErrors(one, value, at)
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Yields the entries of an object, each when it is wanted: there may be many more than errors that are told. A member
 * that is undefined counts as absent: JSON would leave it out.
 */
function* entriesOf(value: Record<string, unknown>): Generator<[string, unknown], void> {
  for (const key of Object.keys(value)) if (value[key] !== undefined) yield [key, value[key]]
}

/** Yields the errors of an object with named properties: in the order of its keys, then those of missing members. */
function* propertyErrors(
  { properties, additionalProperties, required = [] }: TSchema,
  value: Record<string, unknown>,
  at: string
): Generator<FieldError, void> {
  for (const [key, member] of entriesOf(value)) {
    if (Object.hasOwn(properties, key)) yield* pieces(properties[key], member, `${at}/${key}`)
    else if (additionalProperties === false) {
      yield {
        field: `${at}/${cut(key, shownLength)}`,
        message: `is not known${suggestion(key, Object.keys(properties))}`
      }
    }
  }
  for (const key of required) {
    if (value[key] === undefined) yield { field: `${at}/${key}`, message: 'is required' }
  }
}

/**
 * Yields the errors of a map, each entry checked as a map of its own. With one entry the error of the whole map is
 * enough.
 */
function* entryErrors(schema: TSchema, value: Record<string, unknown>, at: string): Generator<FieldError, void> {
  const entries = [...entriesOf(value)]
  if (entries.length <= 1 || entries.length > (schema.maxProperties ?? Infinity)) return
  for (const entry of entries) yield* pieces(schema, Object.fromEntries([entry]), at)
}

function* itemErrors(
  { items, maxItems = Infinity }: TSchema,
  value: readonly unknown[],
  at: string
): Generator<FieldError, void> {
  if (value.length > maxItems) return
  for (const [index, item] of value.entries()) yield* pieces(items, item, `${at}/${index}`)
}

/** Returns the errors of a value; an empty list when it fits its schema. */
export function everyError(schema: TSchema, value: unknown, at: string): FieldError[] {
  // Pieces refer to nothing that the whole does not.
  compilerOf('exact').learn(JSON.stringify(schema))
  const errors: FieldError[] = []
  for (const error of pieces(schema, value, at)) if (errors.push(error) >= maxErrors) break
  return errors
}

/**
 * Returns a check that throws what `complain` makes of the errors. It fills in defaults and is compiled when first
 * used. `manner`: what it does about what does not fit exactly.
 */
export function checker<T extends TSchema>(
  schema: T,
  complain: (errors: FieldError[]) => Error,
  manner: Manner = 'exact'
): (value: unknown, at: string) => Static<T> {
  let validate: ValidateFunction<Static<T>> | undefined
  return (value, at) => {
    validate ??= compilerOf(manner).compile(schema)
    if (validate(value)) return value
    throw complain(manner === 'coerce' ? fieldErrors(validate.errors ?? [], at) : everyError(schema, value, at))
  }
}
