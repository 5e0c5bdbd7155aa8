import { appendFileSync, closeSync, fstatSync, openSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigReader, type RuntimeOptions } from './config-reader.js'
import type { Identifiers } from './identifiers.js'
import type { Intel } from './intel.js'
import type { Peers } from './peers.js'
import { error } from './report.js'

/** A reader looks at its file once in Threading::heartbeat_interval, as zeek-cluster-defaults.zeek sets it. */
const HEARTBEAT_MS = 100

export interface ChannelOptions {
  directory: string
  /** The paths of what was loaded. */
  scripts: readonly string[]
  /** How many errors were reported. */
  errors: number
  peers: Peers
  /** Undefined for a node that is to be mute. */
  identifiers: Identifiers | undefined
  options: RuntimeOptions
  intel: Intel
  beatMs: number
}

/** What zeek-cluster-controller.zeek does. */
export class Channel {
  readonly #options: ChannelOptions
  readonly #source: RawReader
  readonly #invocation = process.env['INVOCATION_ID'] ?? ''
  #joined: boolean
  #beats = 0
  #answered = 0
  readonly #config: ConfigReader
  readonly #originals = new Map<string, unknown>()

  constructor(options: ChannelOptions) {
    const { directory, scripts, peers, beatMs } = options
    this.#options = options
    this.#joined = peers.isManager() || ![...peers.layout.nodes.keys()].some(name => peers.isManager(name))
    peers.on('up', name => {
      if (this.#joined || !peers.isManager(name)) return
      this.#joined = true
      this.#beat()
    })
    this.#write('loaded', writeFileSync, { invocation: this.#invocation, scripts })
    this.#beat()
    setInterval(() => this.#beat(), beatMs)
    this.#source = new RawReader(join(directory, 'ask'))
    setInterval(() => {
      for (const line of this.#source.lines()) this.#answer(line)
    }, HEARTBEAT_MS)
    this.#config = new ConfigReader(join(directory, 'options'))
    this.#readOptions()
    setInterval(() => this.#readOptions(), HEARTBEAT_MS)
  }

  #beat(): void {
    const { peers, errors } = this.#options
    this.#write('beat', writeFileSync, {
      invocation: this.#invocation,
      beat: ++this.#beats,
      joined: this.#joined,
      unseen: peers.unseen(),
      errors
    })
  }

  #answer(line: string): void {
    const [, digits, id] = /^(\d{1,16}) ([^ ]+)$/.exec(line) ?? []
    const number = Number(digits)
    if (id === undefined || number <= this.#answered) return
    this.#answered = number
    const answer = this.#options.identifiers?.lookup(id)
    if (answer) this.#tell(number, answer.success ? { value: answer.value } : { error: answer.value })
  }

  #tell(number: number, answer: { value: string } | { error: string }): void {
    this.#write('tell', appendFileSync, { invocation: this.#invocation, number, ...answer }, '\n')
  }

  #readOptions(): void {
    const { options, identifiers } = this.#options
    // A mute node runs no event.
    if (!identifiers) return
    const complaints: string[] = []
    const complain = (text: string) => complaints.push(text)
    for (const [name, value] of this.#config.read(complain)) {
      if (name !== 'ZeekClusterController::options_read') {
        if (!this.#originals.has(name)) this.#originals.set(name, options.json(name))
        this.#set(name, value, complain)
        continue
      }
      const [number, ...named] = String(value).split(' ')
      for (const [gone, original] of this.#originals) {
        if (named.includes(gone)) continue
        this.#set(gone, original, complain)
        this.#originals.delete(gone)
      }
      this.#tell(Number(number), { value: JSON.stringify(complaints) })
    }
  }

  #set(name: string, value: unknown, complain: (text: string) => void): void {
    const { options, intel } = this.#options
    options.set(name, value)
    if (name === 'ZeekClusterController::feeds') intel.change(String(value), complain)
  }

  #write(name: string, write: (path: string, text: string) => void, value: object, before = ''): void {
    const path = join(this.#options.directory, name)
    try {
      write(path, `${before}${JSON.stringify(value)}\n`)
    } catch (cause) {
      // Zeek's buffered output is lost without a word when there is no room.
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') error(`cannot open ${path}: No such file or directory`)
    }
  }
}

/**
 * Input::READER_RAW as a stream: it begins anew with a file that takes the place of another, and takes for a line what
 * is not whole yet.
 */
class RawReader {
  readonly #path: string
  #file: number | undefined
  #inode: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  lines(): string[] {
    const found = statSync(this.#path, { throwIfNoEntry: false })
    if (found && found.ino !== this.#inode) {
      if (this.#file !== undefined) closeSync(this.#file)
      this.#file = openSync(this.#path, 'r')
      this.#inode = fstatSync(this.#file).ino
    }
    if (this.#file === undefined) return []
    const buffer = Buffer.alloc(64 * 1024)
    let text = ''
    for (let read = readSync(this.#file, buffer); read > 0; read = readSync(this.#file, buffer)) {
      text += buffer.toString('utf8', 0, read)
    }
    return text.split('\n').filter(line => line !== '')
  }
}
