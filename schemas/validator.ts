import { isIP } from 'node:net'
import type { Static, TSchema } from '@sinclair/typebox'
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { apiComponents, type FieldError } from './api.js'
import { eventComponents } from './events.js'

/** Every named schema. */
export const components = [...apiComponents, ...eventComponents]

/** Formats that JSON Schema does not define, or Ajv does not bring. For Fastify's Ajv and ours. */
export const ajvOptions: Options = {
  allErrors: false,
  removeAdditional: false,
  useDefaults: true,
  coerceTypes: false,
  discriminator: false,
  strict: false,
  formats: {
    ip: (text: string) => isIP(text) !== 0 && /[^0.:]/.test(text) && !text.includes('%'),
    'listen-ip': (text: string) => isIP(text) !== 0,
    'date-time': true,
    'uri-reference': true
  }
}

/** Ajv's errors as paths and texts. `at` is what the path starts with, for example "body". */
export function fieldErrors (errors: readonly Pick<ErrorObject, 'instancePath' | 'keyword' | 'message' | 'params' | 'propertyName'>[], at: string): FieldError[] {
  // A bad name in a map is told twice: why, and that.
  return errors.filter(({ propertyName }) => propertyName === undefined).map(({ instancePath, keyword, message, params }) => {
    const name = keyword === 'additionalProperties' ? params.additionalProperty : keyword === 'required' ? params.missingProperty : keyword === 'propertyNames' ? params.propertyName : undefined
    const path = at + instancePath + (name === undefined ? '' : `/${name}`)
    switch (keyword) {
      case 'additionalProperties': return { field: path, message: 'is not known' }
      case 'required': return { field: path, message: 'is required' }
      case 'propertyNames': return { field: path, message: 'is not a valid name' }
      case 'enum': return { field: path, message: `must be one of ${params.allowedValues.join(', ')}` }
      case 'format': return { field: path, message: params.format.endsWith('ip') ? 'must be an IP address' : message ?? 'is not valid' }
      default: return { field: path, message: message ?? 'is not valid' }
    }
  })
}

const ajv = new Ajv(ajvOptions)
ajv.addSchema(components)
/** For what comes as text: settings. */
const coercing = new Ajv({ ...ajvOptions, coerceTypes: true })

/** Makes a check that throws what `complain` makes of the errors. Defaults are filled in. Compiled when first used. */
export function checker<T extends TSchema> (schema: T, complain: (errors: FieldError[]) => Error, { coerce = false } = {}): (value: unknown, at: string) => Static<T> {
  let validate: ValidateFunction<Static<T>> | undefined
  return (value, at) => {
    validate ??= (coerce ? coercing : ajv).compile<Static<T>>(schema)
    if (validate(value)) return value
    throw complain(fieldErrors(validate.errors ?? [], at))
  }
}
