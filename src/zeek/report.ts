import type { Finding } from '../../schemas/operations.js'

/**
 * Matches a time (only of processes that read packets), the kind, the place (`Location::Describe` in Zeek's Obj.cc),
 * and the message.
 */
const shape =
  /^(?:\d+\.\d{6} )?((?:fatal|internal|expression|analyzer|runtime)? ?(?:error|warning)(?: in compiled code)?)(?: in (.+?))?: (.*)$/
const place = /^(.+?)(?:, lines? (\d+)(?:-\d+)?(?: and .+)?)?$/

/** Longer lines are cut: a message may quote a whole script. */
const maxLine = 4096

/**
 * Returns what a line of Zeek's stderr reports; undefined when it is no such line. Of a range of lines, the first
 * counts.
 */
export function parseReport(line: string): Finding | undefined {
  const [, kind, where, message] = shape.exec(line) ?? []
  if (kind === undefined || message === undefined) return undefined
  const [, file, number] = where === undefined ? [] : (place.exec(where) ?? [])
  return {
    level: kind.includes('warning') ? 'warning' : 'error',
    message,
    ...(file === undefined ? {} : { file }),
    ...(number === undefined ? {} : { line: Number(number) })
  }
}

/** Maximum length of a quoted line. */
const maxQuoted = 500

/**
 * Returns the line of a node's stderr that best says why it has ended: the first that reports an error, else the last
 * that is not empty.
 */
export function reasonIn(stderr: string): string | undefined {
  const lines = stderr
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
  const line = lines.find(line => parseReport(line)?.level === 'error') ?? lines.at(-1)
  // The time is of no use: it has just happened.
  return line?.replace(/^\d+\.\d{6} /, '').slice(0, maxQuoted)
}

/** Collects Zeek's stderr as findings, in memory that does not grow with it. */
export class Reports {
  /** Maximum number of findings; beyond it an error replaces a warning. */
  readonly #max: number
  #findings: Finding[] = []
  #last: string[] = []
  #rest = ''

  constructor(max: number) {
    this.#max = max
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!.slice(0, maxLine)
    for (const line of lines) this.#take(line.slice(0, maxLine))
  }

  /** Returns the findings. Call it once everything was pushed. */
  findings(): Finding[] {
    this.push('\n')
    return this.#findings
  }

  /** The last lines that are not empty, whatever they say. */
  get lastLines(): string {
    return this.#last.join('\n')
  }

  #take(line: string): void {
    if (line.trim() !== '') this.#last = [...this.#last.slice(-4), line]
    const finding = parseReport(line)
    if (!finding) return
    // At the end, unless all places are taken.
    const at =
      this.#findings.length < this.#max
        ? this.#findings.length
        : finding.level === 'error'
          ? this.#findings.findLastIndex(({ level }) => level === 'warning')
          : -1
    if (at >= 0) this.#findings[at] = finding
  }
}
