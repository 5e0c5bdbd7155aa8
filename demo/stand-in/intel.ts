import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { error, warning } from './report.js'

/** An indicator: under this the framework tells those of one source from each other. */
interface Item {
  indicator: string
  type: string
  source: string
}

const REQUIRED = ['indicator', 'indicator_type', 'meta.source']
const OPTIONAL = ['meta.desc', 'meta.url']
/** Intel::Type, as the base scripts have it. */
const TYPES = 'ADDR SUBNET URL SOFTWARE EMAIL DOMAIN USER_NAME CERT_HASH PUBKEY_HASH FILE_HASH FILE_NAME'.split(' ')

const keyOf = ({ indicator, type, source }: Item) => JSON.stringify([indicator.toLowerCase(), type, source])

/** What zeek-cluster-intel.zeek does with the intelligence framework of a manager. */
export class Intel {
  /** The indicators of each file, by key. */
  readonly #known = new Map<string, Map<string, Item>>()

  #streams = 0

  /** Reads the files that are new, and forgets those that are not named any more, unless one of them has a fault. */
  change(value: string, complain: (text: string) => void): void {
    const wanted = value === '' ? [] : value.split('\t')
    let failed = false
    for (const path of wanted) {
      if (this.#known.has(path)) continue
      const items = read(path, `zeek-cluster-controller-feed-${++this.#streams}`, complain)
      if (items) this.#known.set(path, new Map(items.map(item => [keyOf(item), item])))
      else failed = true
    }
    if (failed) return
    for (const path of this.#known.keys()) if (!wanted.includes(path)) this.#known.delete(path)
  }

  /** The value of an identifier for JSON; undefined when it is of no concern here. */
  json(id: string): unknown {
    if (id === 'ZeekClusterController::feed_sizes') {
      return Object.fromEntries([...this.#known].map(([path, items]) => [path, items.size]))
    }
    if (id !== 'Intel::min_data_store') return undefined
    const items = [...new Map([...this.#known.values()].flatMap(all => [...all])).values()]
    const of = (type: string) => [...new Set(items.filter(item => item.type === type).map(item => item.indicator))]
    const others = items.filter(({ type }) => type !== 'Intel::ADDR' && type !== 'Intel::SUBNET')
    return {
      host_data: of('Intel::ADDR'),
      subnet_data: of('Intel::SUBNET'),
      string_data: others.map(({ indicator, type }) => [indicator.toLowerCase(), type])
    }
  }
}

/**
 * Input::READER_ASCII in the mode Input::MANUAL (Ascii.cc); undefined for a file with a fault, of which it complains.
 */
function read(path: string, stream: string, complain: (text: string) => void): Item[] | undefined {
  let faults = 0
  const say = (tell: (text: string) => void, text: string) => {
    faults++
    tell(text)
    complain(text)
  }
  const lines = linesOf(path)
  const header = lines?.shift()?.text
  if (!lines || header === undefined) {
    const why = lines ? `; problem reading file header` : ''
    if (lines) say(error, `Could not read input data file ${path}; first line could not be read`)
    say(error, `Init: cannot open ${path}${why}`)
    return undefined
  }
  const names = header.replace(/^#fields\t/, '').split('\t')
  const missing = REQUIRED.find(name => !names.includes(name))
  if (missing !== undefined) {
    say(error, `Did not find requested field ${missing} in input data file ${path}.`)
    say(error, `Init: cannot open ${path}; problem reading file header`)
    return undefined
  }
  const last = Math.max(...[...REQUIRED, ...OPTIONAL].map(name => names.indexOf(name)))
  const items: Item[] = []
  for (const { text: line, number } of lines) {
    const fields = line.replace(/^#fields\t/, '').split('\t')
    if (fields.length <= last) {
      say(
        warning,
        `Not enough fields in line '${line}' of ${path}. Found ${fields.length - 1} fields, want positions ${last} and -1`
      )
      continue
    }
    const [indicator, type, source] = REQUIRED.map(name => fields[names.indexOf(name)]) as [string, string, string]
    if (!TYPES.includes(type.replace(/^Intel::/, ''))) {
      say(warning, `${path}, line ${number}: Value '${type}' for stream '${stream}' is not a valid enum.`)
    } else if (!isValid(indicator, type)) {
      say(() => {}, `Invalid value for ${type}: ${indicator}`)
    } else items.push({ indicator, type, source })
  }
  return faults === 0 ? items : undefined
}

function linesOf(path: string): { text: string; number: number }[] | undefined {
  try {
    const lines = readFileSync(path, 'utf8').split('\n')
    return lines
      .map((line, index) => ({ text: line.replace(/\r$/, ''), number: index + 1 }))
      .filter(({ text }) => text !== '' && (!text.startsWith('#') || text.startsWith('#fields\t')))
  } catch {
    return undefined
  }
}

function isValid(indicator: string, type: string): boolean {
  if (type === 'Intel::ADDR') return isIP(indicator) !== 0
  if (type !== 'Intel::SUBNET') return true
  const [address = '', width = '', ...rest] = indicator.split('/')
  return (
    rest.length === 0 &&
    /^\d{1,3}$/.test(width) &&
    Number(width) <= (isIP(address) === 4 ? 32 : 128) &&
    isIP(address) !== 0
  )
}
