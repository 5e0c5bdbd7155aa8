import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import type { Layout } from './layout.js'
import type { Options } from './options.js'
import { readMisbehaviour } from './misbehaviour.js'
import { fatal, info } from './report.js'
import { textOf } from './system-error.js'
import { toSeconds } from './value.js'

const PATH = 'cluster'
const SHADOW = '.shadow.'
const SUFFIX = process.env['ZEEK_LOG_SUFFIX'] ?? 'log'
const FILE = `${PATH}.${SUFFIX}`
const LINE_MS = 1000

/** As strftime's %Y-%m-%d-%H-%M-%S. */
function stamp(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0')
  return [
    time.getFullYear(),
    time.getMonth() + 1,
    time.getDate(),
    time.getHours(),
    time.getMinutes(),
    time.getSeconds()
  ]
    .map(two)
    .join('-')
}

/** Where a node leaves its finished logs, and what it calls them. */
class Rotation {
  readonly #metadata: string
  readonly #directory: string

  constructor(node: string, { nodes }: Layout, options: Options) {
    const loggers = [...nodes.values()].filter(({ type }) => type === 'LOGGER').length
    this.#metadata = loggers > 1 ? `log_suffix=${node.replaceAll('__', '_.')}__` : ''
    this.#directory = options.get('Log::default_rotation_dir') || '.'
  }

  target(path: string, opened: Date, closed: Date): string {
    mkdirSync(this.#directory, { recursive: true })
    return join(this.#directory, `${path}__${stamp(opened)}__${stamp(closed)}__${this.#metadata}.${SUFFIX}`)
  }
}

/** Rotates what a process before this one has left open, where that is asked for. */
export function rotateLeftovers(node: string, layout: Layout, options: Options): void {
  if (options.get('LogAscii::enable_leftover_log_rotation') !== 'T') return
  const rotation = new Rotation(node, layout, options)
  for (const shadow of readdirSync('.').filter(name => name.startsWith(SHADOW))) {
    const name = shadow.slice(SHADOW.length)
    const log = statSync(name, { throwIfNoEntry: false })
    if (log === undefined) {
      unlinkSync(shadow)
      continue
    }
    const target = rotation.target(name.slice(0, -SUFFIX.length - 1), statSync(shadow).mtime, log.mtime)
    try {
      renameSync(name, target)
    } catch (error) {
      fatal(`Found leftover/unprocessed log '${name}', but failed to rotate it: ${textOf(error)}`)
    }
    unlinkSync(shadow)
    info(`Rotated/postprocessed leftover log '${name}' -> '${target}' `)
  }
}

/** The log of a node that writes logs: a line each second, in files that are rotated as Zeek rotates them. */
export class Logs {
  readonly #node: string
  readonly #rotation: Rotation
  readonly #rotationMs: number
  #file: number | undefined
  /** The thread of a log that could not be renamed ends: nobody writes that one any more. */
  #isDead = false
  #opened = new Date()

  private constructor(node: string, layout: Layout, options: Options) {
    this.#node = node
    this.#rotation = new Rotation(node, layout, options)
    this.#rotationMs = (toSeconds(options.get('Log::default_rotation_interval')) ?? 0) * 1000
  }

  static open(node: string, layout: Layout, options: Options): Logs {
    const logs = new Logs(node, layout, options)
    if (logs.#rotationMs > 0) logs.#schedule()
    logs.#write('stand-in has started')
    setInterval(() => {
      if (!readMisbehaviour().stallLogs) logs.#write('stand-in runs')
    }, LINE_MS)
    return logs
  }

  /** What Zeek does at its end. */
  close(): void {
    if (this.#rotationMs > 0) this.#rotate()
  }

  #write(message: string): void {
    if (this.#isDead) return
    if (this.#file === undefined) {
      this.#opened = new Date()
      this.#file = openSync(FILE, 'w')
      if (this.#rotationMs > 0) writeFileSync(SHADOW + FILE, `.${SUFFIX}\n\n`)
      appendFileSync(
        this.#file,
        `#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t${PATH}\n#open\t${stamp(this.#opened)}\n` +
          '#fields\tts\tnode\tmessage\n#types\ttime\tstring\tstring\n'
      )
    }
    appendFileSync(this.#file, `${(Date.now() / 1000).toFixed(6)}\t${this.#node}\t${message}\n`)
  }

  /** At the multiples of the interval. */
  #schedule(): void {
    setTimeout(
      () => {
        this.#rotate()
        this.#schedule()
      },
      this.#rotationMs - (Date.now() % this.#rotationMs)
    )
  }

  #rotate(): void {
    if (this.#file === undefined) return
    const closed = new Date()
    appendFileSync(this.#file, `#close\t${stamp(closed)}\n`)
    closeSync(this.#file)
    this.#file = undefined
    const target = this.#rotation.target(PATH, this.#opened, closed)
    try {
      renameSync(FILE, target)
      unlinkSync(SHADOW + FILE)
    } catch (error) {
      info(`error: ${PATH}/Log::WRITER_ASCII: failed to rename ${FILE} to ${target}: ${textOf(error)}`)
      info(`error: ${PATH}/Log::WRITER_ASCII: terminating thread`)
      this.#isDead = true
    }
  }
}
