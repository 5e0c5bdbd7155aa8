import { excerpt, FormatError, none, vector, type DataOf, type DataType, type Value } from './value.js'

/** How a type of ours is represented as a Zeek value. */
export interface Form<T> {
  encode(value: T): Value
  /** Throws a FormatError that says what is not as expected, and where. */
  decode(value: Value, at: string): T
}

/** A field that is `none` when it is absent. */
export interface Optional<T> extends Form<T | undefined> {
  readonly isOptional: true
}

type Of<F> = F extends Form<infer T> ? T : never
type Fields = Record<string, Form<unknown>>
type OptionalNames<F extends Fields> = { [K in keyof F]: F[K] extends Optional<unknown> ? K : never }[keyof F]
export type RecordOf<F extends Fields> = { [K in Exclude<keyof F, OptionalNames<F>>]: Of<F[K]> } & {
  [K in OptionalNames<F>]?: Of<F[K]>
}

function dataOf<T extends DataType>(value: Value, type: T, at: string): DataOf<T> {
  if (value['@data-type'] !== type) throw new FormatError(at, `must be of type ${type}, not ${value['@data-type']}`)
  return value.data as DataOf<T>
}

function scalar<T>(type: DataType): Form<T> {
  return {
    encode: data => ({ '@data-type': type, data }) as unknown as Value,
    decode: (value, at) => dataOf(value, type, at) as T
  }
}

export const text = scalar<string>('string')
export const bool = scalar<boolean>('boolean')
export const int = scalar<number>('integer')
export const address = scalar<string>('address')

/** A TCP port, as its number. */
export const port: Form<number> = {
  encode: number => ({ '@data-type': 'port', data: `${number}/tcp` }),
  decode: (value, at) => {
    const [number, protocol] = dataOf(value, 'port', at).split('/')
    if (protocol !== 'tcp') throw new FormatError(at, 'must be a TCP port')
    return Number(number)
  }
}

/** Any value, as it is. */
export const any: Form<Value> = { encode: value => value, decode: value => value }

/** An enum of a Zeek module, represented by its name without the module. */
export function enumOf<const T extends string>(module: string, names: readonly T[]): Form<T> {
  return {
    encode: name => ({ '@data-type': 'enum-value', data: `${module}::${name}` }),
    decode: (value, at) => {
      const full = dataOf(value, 'enum-value', at)
      const found = names.find(name => full === `${module}::${name}`)
      if (found === undefined) {
        throw new FormatError(at, `must be one of ${names.map(name => `${module}::${name}`).join(', ')}`)
      }
      return found
    }
  }
}

export function optional<T>(form: Form<T>): Optional<T> {
  return {
    isOptional: true,
    encode: value => (value === undefined ? none : form.encode(value)),
    decode: (value, at) => (value['@data-type'] === 'none' ? undefined : form.decode(value, at))
  }
}

function list<T>(type: 'vector' | 'set', form: Form<T>): Form<T[]> {
  return {
    encode: items => ({ '@data-type': type, data: items.map(item => form.encode(item)) }) as Value,
    decode: (value, at) => dataOf(value, type, at).map((item, index) => form.decode(item, `${at}[${index}]`))
  }
}

export const vectorOf = <T>(form: Form<T>) => list('vector', form)
export const setOf = <T>(form: Form<T>) => list('set', form)

/** A table with strings as its keys. */
export function tableOf<T>(form: Form<T>): Form<Record<string, T>> {
  return {
    encode: values => ({
      '@data-type': 'table',
      data: Object.entries(values).map(([key, value]) => ({ key: text.encode(key), value: form.encode(value) }))
    }),
    decode: (value, at) =>
      Object.fromEntries(
        dataOf(value, 'table', at).map(({ key, value }, index) => {
          const name = text.decode(key, `${at}[${index}].key`)
          return [name, form.decode(value, `${at}[${excerpt(name)}]`)]
        })
      )
  }
}

/**
 * A record, sent as the vector of its fields, or the arguments of an event. Versions of Zeek differ in the number of
 * optional fields at the end: missing fields are absent, and unknown ones must be.
 */
export function record<F extends Fields>(fields: F): Form<RecordOf<F>> {
  const forms = Object.entries(fields)
  return {
    encode: value => vector(forms.map(([name, form]) => form.encode((value as Record<string, unknown>)[name]))),
    decode: (value, at) => {
      const items = dataOf(value, 'vector', at)
      const unknown = items.findIndex((item, index) => index >= forms.length && item['@data-type'] !== 'none')
      if (unknown >= 0) throw new FormatError(`${at}[${unknown}]`, `is not known: ${forms.length} fields are`)
      const found = forms.map(
        ([name, form], index) => [name, form.decode(items[index] ?? none, `${at}.${name}`)] as const
      )
      return Object.fromEntries(found.filter(([, field]) => field !== undefined)) as RecordOf<F>
    }
  }
}
