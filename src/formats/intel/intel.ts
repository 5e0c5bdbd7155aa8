import { isIP } from 'node:net'
import type { FieldError } from '../../../schemas/api.js'
import { AppError, invalid } from '../../errors.js'
import { shown } from '../refusal.js'
import { subnetOf } from '../subnet.js'

/** The fields that every indicator has; Zeek takes what is in others where its scripts know them. */
const required = ['indicator', 'indicator_type', 'meta.source'] as const
type Field = (typeof required)[number]

/** No indicator is as long: what has no line breaks is no file of indicators. */
const lineMax = 65_536
/** So many faults are told. */
const faultsMax = 10

/**
 * Passes a file of indicators on, in the format of Zeek's intelligence framework: fields with tabs between them, their
 * names after `#fields` in the first line. Throws `invalid_request` at the end, with the lines, where it is none: an
 * address or subnet that is none stands among them, which Zeek (9.0) would not notice before it is too late. What types
 * and further fields there are is for Zeek to say.
 */
export async function* checkedIndicators(file: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const reader = new Indicators()
  for await (const chunk of file) {
    reader.read(chunk)
    yield chunk
  }
  reader.end()
}

class Indicators {
  #line = 0
  /** What has come of a line that is not whole yet. */
  #rest: Buffer = Buffer.alloc(0)
  /** The places of fields; undefined before the header. */
  #places: ReadonlyMap<Field, number> | undefined
  #faults: FieldError[] = []

  read(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const tail = chunk.subarray(start, end)
      this.#take((this.#rest.length > 0 ? Buffer.concat([this.#rest, tail]) : tail).toString())
      this.#rest = Buffer.alloc(0)
      start = end + 1
    }
    this.#rest = Buffer.concat([this.#rest, chunk.subarray(start)])
    if (this.#rest.length > lineMax) throw invalid([fault(this.#line + 1, `is longer than ${lineMax} bytes`)])
  }

  end(): void {
    if (this.#rest.length > 0) this.#take(this.#rest.toString())
    if (!this.#places) throw new AppError('invalid_request', 'the file has no line with the names of its fields')
    this.#refuse()
  }

  #refuse(): void {
    if (this.#faults.length > 0) throw invalid(this.#faults)
  }

  /** Takes a line as Zeek's reader does (Ascii.cc): the first one that is no comment has the names. */
  #take(line: string): void {
    this.#line++
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    if (text === '') return
    if (text.startsWith('#') && !text.startsWith('#fields\t')) return
    const fields = text.replace(/^#fields\t/, '').split('\t')
    const problem = this.#places ? problemOf(fields, this.#places) : this.#readNames(fields)
    if (problem === undefined) return
    this.#faults.push(fault(this.#line, problem))
    if (!this.#places || this.#faults.length >= faultsMax) this.#refuse()
  }

  #readNames(names: string[]): string | undefined {
    const missing = required.filter(name => !names.includes(name))
    if (missing.length > 0) {
      return `must name the fields of the file, with tabs between them: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`
    }
    this.#places = new Map(required.map(name => [name, names.indexOf(name)]))
    return undefined
  }
}

const fault = (line: number, message: string): FieldError => ({ field: `body/line ${line}`, message })

/** Returns what is wrong with an indicator, as far as that can be said without the scripts of a Zeek. */
function problemOf(fields: readonly string[], places: ReadonlyMap<Field, number>): string | undefined {
  const [indicator, type, source] = required.map(name => fields[places.get(name)!]) as [string, string, string]
  for (const [index, value] of [indicator, type, source].entries()) {
    if (value === undefined || value === '' || value === '-') return `has no ${required[index]}`
  }
  if (type === 'Intel::ADDR' && isIP(indicator) === 0) return `'${shown(indicator)}' is no address`
  if (type === 'Intel::SUBNET' && subnetOf(indicator) === undefined) {
    return `'${shown(indicator)}' is no subnet as 10.0.0.0/8 or 2001:db8::/32`
  }
  return /^([A-Za-z_]\w*::)*[A-Za-z_]\w*$/.test(type) ? undefined : `'${shown(type)}' is no type as Intel::DOMAIN`
}
