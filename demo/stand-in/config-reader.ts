import { readFileSync, statSync } from 'node:fs'
import { isIPv4, isIPv6 } from 'node:net'
import { warning } from './report.js'
import { toJson } from './value.js'

type Type = 'count' | 'bool' | 'interval' | 'string' | 'set[string]' | 'set[subnet]' | 'set[string,count]'

/** Options of Zeek's base scripts that are not in it as constants: their type, and what they are at first. */
const KNOWN: Record<string, { type: Type; value: unknown }> = {
  'Site::local_nets': { type: 'set[subnet]', value: [] },
  'FTP::guest_ids': { type: 'set[string]', value: ['anonymous', 'ftp', 'ftpuser', 'guest'] },
  'FTP::default_capture_password': { type: 'bool', value: false },
  'FTP::cmd_reply_code': { type: 'set[string,count]', value: [] },
  'HTTP::max_files_orig': { type: 'count', value: 15 },
  'Conn::extraction_prefix': { type: 'string', value: 'contents' },
  'RDP::rdp_check_interval': { type: 'interval', value: '10.0 secs' },
  'ZeekClusterController::feeds': { type: 'string', value: '' },
  'ZeekClusterController::options_read': { type: 'string', value: '' }
}

/** The options that a file can set, with the values that they have. */
export class RuntimeOptions {
  readonly #values = new Map(Object.entries(KNOWN).map(([name, { value }]) => [name, value]))

  /** Its value for JSON; undefined when there is no such option. */
  json(name: string): unknown {
    return this.#values.get(name)
  }

  set(name: string, value: unknown): void {
    this.#values.set(name, value)
  }
}

/** Input::READER_CONFIG in the mode Input::REREAD (Config.cc): tells of values that differ from those read before. */
export class ConfigReader {
  readonly #path: string
  readonly #values = new Map<string, string>()
  #version = ''

  constructor(path: string) {
    this.#path = path
  }

  /** Reads the file if it has changed; `complain` gets each warning, in its turn among the values. */
  *read(complain: (text: string) => void): Generator<[name: string, value: unknown]> {
    const found = statSync(this.#path, { throwIfNoEntry: false })
    if (!found) return
    const version = `${found.ino} ${Math.floor(found.mtimeMs / 1000)}`
    if (version === this.#version) return
    this.#version = version
    const unseen = new Set(this.#values.keys())
    const warn = (text: string) => {
      warning(`${this.#path}/Input::READER_CONFIG: ${text}`)
      complain(text)
    }
    for (const line of readFileSync(this.#path, 'utf8').split('\n')) {
      if (line === '' || line.startsWith('#')) continue
      const [, name, text = ''] = /^([^ \t]+)[ \t]+([^ \t](?:.*[^ \t,])?)?[ \t,]*$/.exec(line) ?? []
      if (name === undefined) {
        warn(`Could not parse '${line}'; line has invalid format. Ignoring line.`)
        continue
      }
      const type = KNOWN[name]?.type
      if (type === undefined) {
        warn(`Option '${name}' does not exist. Ignoring line.`)
        continue
      }
      if (type === 'set[string,count]') {
        warn(`Option '${name}' has type '${type}', which is not supported for file input. Ignoring line.`)
        continue
      }
      const value = parse(type, text, warn)
      if (value === undefined) {
        warn(`Could not convert line '${line}' to value. Ignoring line.`)
        continue
      }
      unseen.delete(name)
      if (this.#values.get(name) === text) continue
      this.#values.set(name, text)
      yield [name, value]
    }
    for (const name of unseen) this.#values.delete(name)
  }
}

/** Returns a text as a value for JSON; undefined, after a warning, for what is none of this type. */
function parse(type: Type, text: string, warn: (text: string) => void): unknown {
  switch (type) {
    case 'bool':
      if (text === 'T' || text === '1') return true
      if (text === 'F' || text === '0') return false
      warn(`Field: unknown Invalid value for boolean: ${text}`)
      return undefined
    case 'count':
    case 'interval': {
      const [whole, number, rest] = (type === 'count' ? /^(-?\d+)(.*)$/ : /^(-?\d+(?:\.\d+)?)(.*)$/).exec(text) ?? []
      if (text === '') warn('Got empty string for number field')
      else if (whole === undefined) warn(`String '${text}' contained no parseable number`)
      else if (rest !== '') {
        warn(`Number '${text}' contained non-numeric trailing characters. Ignored trailing characters '${rest}'`)
      }
      if (type === 'count' && number?.startsWith('-')) warn(`Number '${text}' cannot be negative`)
      else if (number !== undefined) return type === 'count' ? Number(number) : toJson(`${number}sec`)
      return undefined
    }
    case 'set[subnet]':
      for (const part of text.split(',')) {
        if (isSubnet(part)) continue
        warn(`Invalid value for subnet: ${part}`)
        warn('Error while reading set or vector')
        return undefined
      }
      return text.split(',')
    case 'set[string]':
      return text.split(',')
    default:
      return text
  }
}

function isSubnet(text: string): boolean {
  const [, address = '', width] = /^(.+)\/(\d{1,3})$/.exec(text) ?? []
  return (isIPv4(address) && Number(width) <= 32) || (isIPv6(address) && Number(width) <= 128)
}
