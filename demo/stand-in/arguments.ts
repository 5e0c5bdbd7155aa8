/** A "Module::name=value" argument; `operator` is "=", "+=" or "-=". */
export interface Assignment {
  name: string
  operator: string
  value: string
}

export interface Arguments {
  help: boolean
  version: boolean
  plugins: boolean
  parseOnly: boolean
  interface?: string
  pcap?: string
  statusFile?: string
  /** What -e says. */
  code?: string
  scripts: string[]
  assignments: Assignment[]
}

const LONG: Record<string, string> = {
  '--help': '-h',
  '--version': '-v',
  '--print-plugins': '-N',
  '--parse-only': '-a',
  '--iface': '-i',
  '--readfile': '-r',
  '--status-file': '-U',
  '--no-checksums': '-C',
  '--bare-mode': '-b',
  '--exec': '-e',
  '--filter': '-f',
  '--writefile': '-w',
  '--watchdog': '-W'
}

const WITHOUT_VALUE = new Set(['-h', '-v', '-N', '-a', '-C', '-b', '-W', '-D', '-F', '-P', '-Q', '-S', '-d', '-u'])
const WITH_VALUE = new Set(['-i', '-r', '-U', '-e', '-f', '-w', '-p', '-s', '-t', '-G', '-H', '-I', '-T', '-O'])

export function parseArguments(argv: string[]): Arguments {
  const result: Arguments = {
    help: false,
    version: false,
    plugins: false,
    parseOnly: false,
    scripts: [],
    assignments: []
  }
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    // As Zeek's getopt: flags may stand anywhere; "-" alone is a script (stdin).
    if (!word.startsWith('-') || word === '-') {
      operand(word, result)
      continue
    }
    const [long, joined] = word.startsWith('--') ? split(word) : [undefined, undefined]
    const flag = long === undefined ? word.slice(0, 2) : LONG[long]
    const rest = long === undefined && word.length > 2 ? word.slice(2) : joined
    if (flag !== undefined && WITHOUT_VALUE.has(flag)) {
      noteFlag(flag, result)
      // "-aC" is "-a -C".
      if (long === undefined && rest !== undefined) argv.splice(at + 1, 0, `-${rest}`)
    } else if (flag !== undefined && WITH_VALUE.has(flag)) {
      const value = rest ?? argv[++at]
      if (value === undefined) usageError(`Option ${word} requires an argument.`)
      noteValue(flag, value, result)
    } else {
      usageError(`Unrecognized option ${word}`)
    }
  }
  return result
}

function split(word: string): [string, string | undefined] {
  const at = word.indexOf('=')
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

function operand(word: string, result: Arguments): void {
  const match = /^([A-Za-z_][\w:]*)([^=\w]*=)(.*)$/s.exec(word)
  if (match !== null) {
    result.assignments.push({ name: match[1]!, operator: match[2]!, value: match[3]! })
  } else {
    result.scripts.push(word)
  }
}

function noteFlag(flag: string, result: Arguments): void {
  if (flag === '-h') result.help = true
  if (flag === '-v') result.version = true
  if (flag === '-N') result.plugins = true
  if (flag === '-a') result.parseOnly = true
}

function noteValue(flag: string, value: string, result: Arguments): void {
  if (flag === '-i') {
    if (result.interface !== undefined) usageError('Only a single interface option (-i) is allowed.')
    result.interface = value
  }
  if (flag === '-r') result.pcap = value
  if (flag === '-U') result.statusFile = value
  if (flag === '-e') result.code = value
}

function usageError(text: string): never {
  process.stderr.write(`ERROR: ${text}\nTry 'zeek --help' for more information.\n`)
  process.exit(1)
}
