import { plainOutput } from './format.js'

export type OutputStream = 'stdout' | 'stderr'

/** A line of an output as it is shown; or a note of ours between such lines. */
export interface OutputLine {
  /** One more than that of the line before: it stays when older lines are let go. */
  id: number
  from: OutputStream | 'note'
  text: string
}

/** The last lines of an output, oldest first. A value. */
export interface Lines {
  list: readonly OutputLine[]
  /** The id of the next line. */
  next: number
  /** Characters of all lines. */
  size: number
}

export const noLines: Lines = { list: [], next: 1, size: 0 }

/** What is kept, so that a page that stays open for days does not grow. */
export const linesMax = 5_000
export const sizeMax = 8 * 1024 * 1024

/** Returns lines with more of them, as they may be shown; the oldest are let go when they are too many. */
export function withLines(lines: Lines, from: OutputLine['from'], texts: readonly string[]): Lines {
  if (texts.length === 0) return lines
  const added = texts
    .slice(-linesMax)
    .map((text, index) => ({ id: lines.next + index, from, text: from === 'note' ? text : plainOutput(text) }))
  const list = [...lines.list, ...added]
  let size = lines.size + sizeOf(added)
  let first = Math.max(0, list.length - linesMax)
  size -= sizeOf(list.slice(0, first))
  for (; size > sizeMax && first < list.length - 1; first++) size -= list[first]!.text.length
  return { list: first === 0 ? list : list.slice(first), next: lines.next + added.length, size }
}

const sizeOf = (list: readonly OutputLine[]) => list.reduce((sum, { text }) => sum + text.length, 0)

/** Returns a text of several lines as lines; without the empty one after its last end of line. */
export function textsOf(text: string): string[] {
  const texts = text.split('\n')
  if (texts.at(-1) === '') texts.pop()
  return texts
}

/**
 * Joins what one request after another tells of an output: each begins with some of the last lines, most of which are
 * known by then. Takes only what is new.
 */
export class Joint {
  /** The lines that were known of before, as long as what comes may be among them. */
  #known: readonly string[]
  /** How many of the known ones have come again. */
  #at: number | undefined

  constructor(known: readonly string[]) {
    this.#known = known
  }

  /**
   * Returns which of some lines are new, and whether others may be missing before them. `texts`: as they may be shown.
   */
  take(texts: readonly string[]): { fresh: readonly string[]; isGap: boolean } {
    if (this.#known.length === 0 || texts.length === 0) return { fresh: texts, isGap: false }
    const isFirst = this.#at === undefined
    const at = isFirst ? placeOf(texts, this.#known) : this.#at!
    const again = Math.min(texts.length, this.#known.length - at)
    const goesOn = again > 0 && hasAt(this.#known, at, texts, again)
    this.#at = at + again
    if (!goesOn || this.#at >= this.#known.length) this.#known = []
    return goesOn ? { fresh: texts.slice(again), isGap: false } : { fresh: texts, isGap: isFirst }
  }
}

/** Returns where lines begin to come again: all that are known from there on, or as many as there are. */
function placeOf(texts: readonly string[], known: readonly string[]): number {
  for (let at = 0; at < known.length; at++) {
    if (known[at] === texts[0] && hasAt(known, at, texts, Math.min(texts.length, known.length - at))) return at
  }
  return known.length
}

const hasAt = (known: readonly string[], at: number, texts: readonly string[], length: number) =>
  texts.slice(0, length).every((text, index) => known[at + index] === text)
