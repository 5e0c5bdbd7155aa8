import { watch, type FSWatcher } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import type { RuntimeOption } from '../../schemas/runtime-options.js'
import { checker } from '../../schemas/validator.js'
import { AppError, invalid, messageOf, requestTimedOut } from '../errors.js'
import { Repeatable, Sequence } from '../util.js'
import { LineReader } from './line-reader.js'

/** What a node reports about itself every few seconds, and a line of its answers: records of our script. */
const Beat = Type.Object({
  invocation: Type.String({ minLength: 1 }),
  joined: Type.Boolean(),
  unseen: Type.Array(Type.String()),
  errors: Type.Optional(Type.Integer({ minimum: 0 }))
})
const Answer = Type.Object({
  invocation: Type.String(),
  number: Type.Integer(),
  value: Type.Optional(Type.String()),
  error: Type.Optional(Type.String())
})
/** The scripts that a process was made from, as Zeek has found them. */
const Loaded = Type.Object({ invocation: Type.String({ minLength: 1 }), scripts: Type.Array(Type.String()) })

export type Beat = Static<typeof Beat>

/** Not all file systems report changes, and there may be too many watchers. */
const pollMs = 1000
/** Answers are kept until no question is open; beyond this size the file is then emptied. */
const longAnswersBytes = 1024 * 1024
/** Maximum size of one answer; and of all of them, beyond which no more is asked until the file is emptied. */
const maxAnswerBytes = 64 * 1024 * 1024
/** Largest beat, and list of scripts: large enough for the names of a hundred thousand nodes. */
const maxReportBytes = 8 * 1024 * 1024

const filesOf = (directory: string) => ({
  ask: join(directory, 'ask'),
  options: join(directory, 'options'),
  tell: join(directory, 'tell'),
  beat: join(directory, 'beat'),
  loaded: join(directory, 'loaded')
})

/**
 * Creates the files through which an agent and a node communicate, readable by nobody else: empty, but for the options
 * that the node sets when it starts.
 */
export async function prepareChannel(directory: string, options: readonly RuntimeOption[] = []): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const files = filesOf(directory)
  for (const path of Object.values(files)) {
    await writeFile(path, path === files.options ? renderOptionLines(options, 0) : '', { mode: 0o600 })
  }
}

/**
 * Returns options as a file of Zeek's configuration framework, with the number of the answer to it. The name is that of
 * an option in our script, which is read last.
 */
function renderOptionLines(options: readonly RuntimeOption[], number: number): string {
  const lines = options.map(({ name, value }) => `${name} ${value}\n`)
  const names = options.map(({ name }) => ` ${name}`)
  return `${lines.join('')}ZeekClusterController::options_read ${number}${names.join('')}\n`
}

/** Returns a function that parses a text; undefined for what does not fit the schema. */
function reader<T extends TSchema>(schema: T): (text: string) => Static<T> | undefined {
  const check = checker(schema, invalid)
  return text => {
    try {
      return check(JSON.parse(text), '')
    } catch {
      return undefined
    }
  }
}

const readBeat = reader(Beat)
const readAnswer = reader(Answer)
const readLoaded = reader(Loaded)
const readComplaints = reader(Type.Array(Type.String()))

/**
 * Returns the paths of the scripts that a process has loaded, in the order in which it has; undefined where it has not
 * told, as one that was started by an earlier version. `directory`: that of its channel.
 */
export async function loadedScripts(directory: string, invocation: string): Promise<string[] | undefined> {
  const loaded = readLoaded(await readReport(filesOf(directory).loaded))
  return loaded?.invocation === invocation ? loaded.scripts : undefined
}

/** Returns what a node has reported in a file; nothing where there is none, or it is too long. */
async function readReport(path: string): Promise<string> {
  const { size } = await stat(path).catch(() => ({ size: 0 }))
  return size > maxReportBytes ? '' : await readFile(path, 'utf8').catch(() => '')
}

interface Question {
  /** The identifier; undefined when it is about the file of options. */
  id: string | undefined
  settle: (answer: string | AppError) => void
}

/**
 * The agent's end of the files through which it communicates with one process of a node; `zeek-cluster-controller.zeek`
 * is the other end. Only messages with the invocation of the process are accepted.
 */
export class Channel {
  #files: ReturnType<typeof filesOf>
  #directory: string
  #invocation: string
  #heard: (beat: Beat | undefined, ageMs: number) => void
  #watcher: FSWatcher | undefined
  #poll: NodeJS.Timeout
  #closed: AppError | undefined
  #answers: LineReader
  /** Open questions by number, in the order in which they were asked. */
  #asked = new Map<number, Question>()
  /**
   * The next number. Numbers grow, also over restarts of the agent: a node ignores a question that it seems to have
   * answered.
   */
  #next = Date.now()
  /** The last number that was written to the file of questions. */
  #written = 0
  #recalled: Promise<void>
  #looking = new Repeatable(() => this.#look())
  #writing = new Repeatable(() => this.#write())
  /** Replaces the options, one time after the other: the last ones stay. */
  #replacing = new Sequence()
  #lastBeat: string | undefined

  /**
   * `directory` was made by prepareChannel(). `heard` is called at each sign of life, with what the node reports about
   * itself where that can be read, and its age: what it reported last before anyone listened may be from long ago.
   */
  constructor(directory: string, invocation: string, heard: (beat: Beat | undefined, ageMs: number) => void) {
    this.#directory = directory
    this.#files = filesOf(directory)
    this.#invocation = invocation
    this.#heard = heard
    this.#answers = new LineReader(this.#files.tell, maxAnswerBytes)
    this.#poll = setInterval(() => {
      void this.look()
    }, pollMs)
    this.#recalled = this.#recall()
    try {
      this.#watcher = watch(directory, () => {
        void this.look()
      }).on('error', () => {})
    } catch {
      // Works without a watcher, by polling.
    }
    void this.look()
  }

  /** Closes the channel; open questions fail with the reason. */
  close(reason: AppError): void {
    this.#closed = reason
    clearInterval(this.#poll)
    this.#watcher?.close()
    for (const { settle } of [...this.#asked.values()]) settle(reason)
  }

  /**
   * Resolves with the value of a global identifier, as a JSON text. Throws `not_found` with Zeek's "unknown id" or "no
   * ID value", and `unavailable` when the node cannot be asked, or does not answer before the signal aborts.
   */
  async idValue(id: string, signal: AbortSignal): Promise<string> {
    return await this.#ask(id, signal, () => {
      void this.#writing.run()
    })
  }

  /**
   * Has the node set these options, and no others. Resolves, when it has read them, with what Zeek's reader complains
   * of. Throws `unavailable` when the node cannot be told, or does not answer before the signal aborts.
   */
  async setOptions(options: readonly RuntimeOption[], signal: AbortSignal): Promise<string[]> {
    const answer = await this.#ask(undefined, signal, (number, settle) => {
      this.#replacing
        .run(() => replaceFile(this.#files.options, renderOptionLines(options, number)))
        .catch(error => settle(new AppError('unavailable', `cannot be told: ${messageOf(error)}`)))
    })
    return readComplaints(answer) ?? []
  }

  /** Resolves with the answer to a question, which `write` writes. */
  async #ask(
    id: string | undefined,
    signal: AbortSignal,
    write: (number: number, settle: Question['settle']) => void
  ): Promise<string> {
    await this.#recalled
    return await new Promise<string>((resolve, reject) => {
      if (this.#closed) throw this.#closed
      if (signal.aborted) throw timedOut()
      // Open questions are waited for, so that no answer is lost when the file is emptied.
      if (this.#answers.position > maxAnswerBytes) throw new AppError('unavailable', 'too much is asked at once')
      const number = this.#next++
      const settle = (answer: string | AppError) => {
        this.#asked.delete(number)
        signal.removeEventListener('abort', giveUp)
        if (answer instanceof AppError) reject(answer)
        else resolve(answer)
      }
      const giveUp = () => settle(timedOut())
      signal.addEventListener('abort', giveUp, { once: true })
      this.#asked.set(number, { id, settle })
      write(number, settle)
    })
  }

  /** Reads what the node has written. Never rejects. */
  look(): Promise<void> {
    return this.#looking.run()
  }

  async #look(): Promise<void> {
    await this.#lookAtBeat()
    for await (const line of this.#answers.next()) this.#take(line)
    if (this.#asked.size === 0 && this.#answers.position > longAnswersBytes) await this.#answers.empty()
  }

  async #lookAtBeat(): Promise<void> {
    const { beat: path } = this.#files
    const found = await stat(path).catch(() => undefined)
    // If the whole directory was deleted, it is made again, and the node makes its files anew.
    if (!found && !this.#closed) await mkdir(this.#directory, { recursive: true, mode: 0o700 }).catch(() => {})
    if (!found || found.size > maxReportBytes) return
    const { ino, mtimeMs, size } = found
    const version = [ino, mtimeMs, size].join(' ')
    const isFirst = this.#lastBeat === undefined
    if (version === this.#lastBeat) return
    this.#lastBeat = version
    const beat = readBeat(await readFile(path, 'utf8').catch(() => ''))
    if (this.#closed || (beat && beat.invocation !== this.#invocation)) return
    // A report that cannot be read is being written, or there is no room for it: the node lives all the same.
    if (beat || !isFirst) this.#heard(beat, isFirst ? Math.max(0, Date.now() - mtimeMs) : 0)
  }

  #take(line: string): void {
    const answer = readAnswer(line)
    if (answer?.invocation !== this.#invocation) return
    const { number, value, error = 'no ID value' } = answer
    this.#asked.get(number)?.settle(value ?? new AppError('not_found', error))
  }

  async #write(): Promise<void> {
    const questions = [...this.#asked].filter(([, { id }]) => id !== undefined)
    const last = questions.at(-1)?.[0] ?? 0
    if (last <= this.#written) return
    const { ask } = this.#files
    try {
      await replaceFile(ask, questions.map(([number, { id }]) => `${number} ${id}\n`).join(''))
    } catch (error) {
      const reason = new AppError('unavailable', `cannot be asked: ${messageOf(error)}`)
      for (const [number, { settle }] of questions) if (number > this.#written) settle(reason)
    }
    this.#written = last
  }

  /** Continues after the numbers of questions that an agent before this one may have asked. */
  async #recall(): Promise<void> {
    const lines = await readFile(this.#files.ask, 'utf8').catch(() => '')
    const last = Number.parseInt(lines.trimEnd().split('\n').at(-1)!, 10) || 0
    this.#next = Math.max(this.#next, last + 1)
  }
}

/**
 * Replaces a file, so that the node never reads half a line. Zeek's readers tell a new file by its inode and the second
 * of its last change; a file system gives the inode of the last but one out again, so that each needs a second of its
 * own.
 */
async function replaceFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`
  await writeFile(fresh, text, { mode: 0o600 })
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }))
  const second = Math.floor(Math.max(Date.now(), mtimeMs + 1000) / 1000)
  await utimes(fresh, second, second)
  await rename(fresh, path)
}

const timedOut = () => new AppError('unavailable', requestTimedOut)
