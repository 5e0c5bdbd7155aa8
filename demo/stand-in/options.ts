import type { Assignment } from './arguments.js'
import { error, failed } from './report.js'
import { toJson, unquote } from './value.js'

type Type = 'string' | 'bool' | 'port' | 'interval' | 'any'

interface Option {
  type: Type
  value: string
}

const ZEROMQ = 'Cluster::Backend::ZeroMQ::'

/** Every option of the stand-in, with its default as Zeek script has it (strings bare). */
const KNOWN: Record<string, Option> = {
  // The connecting ends cross: a node's XPUB socket goes to the proxy's XSUB.
  [`${ZEROMQ}listen_xpub_endpoint`]: { type: 'string', value: 'tcp://127.0.0.1:5555' },
  [`${ZEROMQ}listen_xsub_endpoint`]: { type: 'string', value: 'tcp://127.0.0.1:5556' },
  [`${ZEROMQ}connect_xpub_endpoint`]: { type: 'string', value: 'tcp://127.0.0.1:5556' },
  [`${ZEROMQ}connect_xsub_endpoint`]: { type: 'string', value: 'tcp://127.0.0.1:5555' },
  [`${ZEROMQ}run_proxy_thread`]: { type: 'bool', value: 'F' },
  [`${ZEROMQ}ipv6`]: { type: 'bool', value: 'F' },
  [`${ZEROMQ}curve_server_publickey`]: { type: 'string', value: '' },
  [`${ZEROMQ}curve_server_secretkey`]: { type: 'string', value: '' },
  [`${ZEROMQ}curve_client_publickey`]: { type: 'string', value: '' },
  [`${ZEROMQ}curve_client_secretkey`]: { type: 'string', value: '' },
  'Cluster::default_store_dir': { type: 'string', value: '' },
  'Cluster::manager_is_logger': { type: 'bool', value: 'T' },
  exit_only_after_terminate: { type: 'bool', value: 'F' },
  'Log::default_logdir': { type: 'string', value: '' },
  'Log::default_writer': { type: 'any', value: 'Log::WRITER_ASCII' },
  'LogAscii::enable_leftover_log_rotation': { type: 'bool', value: 'F' },
  'LogAscii::gzip_level': { type: 'any', value: '0' },
  'LogAscii::meta_prefix': { type: 'string', value: '#' },
  'LogAscii::output_to_stdout': { type: 'bool', value: 'F' },
  'Log::default_rotation_postprocessor_cmd': { type: 'string', value: '' },
  'Log::default_rotation_dir': { type: 'string', value: '' },
  'Log::default_rotation_interval': { type: 'interval', value: '0sec' },
  'Telemetry::metrics_port': { type: 'port', value: '0/unknown' },
  'Telemetry::metrics_address': { type: 'string', value: process.env['ZEEK_DEFAULT_LISTEN_ADDRESS'] ?? '' },
  'Broker::default_listen_address': { type: 'string', value: process.env['ZEEK_DEFAULT_LISTEN_ADDRESS'] ?? '' }
}

const OF_CONTROLLER: Record<string, Option> = {
  'ZeekClusterController::beat_interval': { type: 'interval', value: '5secs' }
}

const SYNTAX: Record<Type, RegExp> = {
  string: /^[^"]*$/,
  bool: /^[TF]$/,
  port: /^\d+\/(?:tcp|udp|icmp|unknown)$/,
  interval: /^-?\d+(?:\.\d+)? ?(?:usec|msec|sec|min|hr|day)s?$/,
  // Zeek adds a string's quotes itself, so only a collection has any.
  any: /^(?:[^"]*|(?:set|vector)?\s*[{([].*[})\]])$/s
}

export class Options {
  readonly #options: Map<string, Option>

  constructor(withController: boolean) {
    this.#options = new Map(Object.entries({ ...KNOWN, ...(withController ? OF_CONTROLLER : {}) }))
  }

  /** Undefined for what is none; all of the module Demo are some. */
  typeOf(name: string): Type | undefined {
    return this.#options.get(name)?.type ?? (name.startsWith('Demo::') ? 'any' : undefined)
  }

  get(name: string): string {
    return this.#options.get(name)?.value ?? ''
  }

  port(name: string): number {
    return Number.parseInt(this.get(name), 10) || 0
  }

  /** Its value for JSON, or undefined when there is no such option. */
  json(name: string): unknown {
    const option = this.#options.get(name)
    return option === undefined || option.type === 'string' ? option?.value : toJson(option.value)
  }

  set(name: string, value: string): void {
    const type = this.#options.get(name)?.type ?? 'any'
    this.#options.set(name, { type, value })
  }

  /** From a script. What takes an interpreter, such as a function's call, is left out. */
  redef(name: string, expression: string): void {
    const type = this.#options.get(name)?.type
    const value = type === 'string' ? unquote(expression) : expression
    if (type !== undefined && value !== undefined && SYNTAX[type].test(value)) this.set(name, value)
  }

  /** From the script of a node's options; tells what is wrong with it. */
  redefine(name: string, expression: string, where: string): void {
    const type = this.typeOf(name)
    const text = unquote(expression)
    const value = type === 'string' || text?.trim() === '' ? text : expression
    if (type === undefined) error(`"redef" used but not previously defined (${name})`, where)
    else if (value !== undefined && (type === 'string' || SYNTAX[type].test(value))) this.set(name, value)
    else error(`syntax error, at or near "${expression}"`, where)
  }

  /** From the command line; tells of every bad one, then gives up. */
  assign(assignments: Assignment[]): void {
    for (const { name, operator, value } of assignments) {
      const type = this.typeOf(name)
      if (type === undefined) {
        error(`unknown identifier '${name}' in command-line options`)
      } else if (value === '' && type !== 'string' && type !== 'any') {
        error(`must assign non-empty value to '${name}' in command-line options`)
      } else if (!SYNTAX[type].test(value) || !['=', '+=', '-='].includes(operator)) {
        error(`syntax error, at or near "${value}"`, '<params>, line 1')
      } else {
        const meant = type === 'string' ? (unquote(`"${value}"`) ?? value) : value
        this.set(name, operator === '=' ? meant : combined(this.get(name), operator, meant))
      }
    }
    if (failed()) process.exit(1)
  }
}

function combined(old: string, operator: string, value: string): string {
  const before = old === '' ? [] : [toJson(old)].flat()
  const change = [toJson(value)].flat()
  const after = operator === '+=' ? [...before, ...change] : before.filter(item => !change.includes(item))
  return `{${after.map(item => JSON.stringify(item)).join(',')}}`
}
