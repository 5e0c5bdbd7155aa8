import type { OutputLine } from './lines.js'

/** Where a text was found. */
export interface Match {
  /** The id of the line. */
  line: number
  /** Of the line's text. */
  start: number
}

/** More than anybody steps through; what there is beyond is not counted. */
export const matchesMax = 10_000

/** Returns where a text is in lines, whatever its case, in their order. */
export function matchesIn(list: readonly OutputLine[], text: string): Match[] {
  const wanted = text.toLowerCase()
  if (wanted === '') return []
  const matches: Match[] = []
  for (const { id, text: line } of list) {
    const lower = line.toLowerCase()
    // A text whose length changes with its case cannot be told by places of the other.
    const searched = lower.length === line.length ? lower : line
    for (let at = searched.indexOf(wanted); at >= 0; at = searched.indexOf(wanted, at + wanted.length)) {
      matches.push({ line: id, start: at })
      if (matches.length >= matchesMax) return matches
    }
  }
  return matches
}

/** A part of a line: found or not. */
export interface Part {
  text: string
  isMatch: boolean
  start: number
}

/** Returns a text in parts, of which every other one is a match. `starts`: where they are, in order. */
export function partsOf(text: string, starts: readonly number[], length: number): Part[] {
  const parts: Part[] = []
  let end = 0
  for (const start of starts) {
    if (start >= text.length) break
    if (start > end) parts.push({ text: text.slice(end, start), isMatch: false, start: end })
    parts.push({ text: text.slice(start, start + length), isMatch: true, start })
    end = start + length
  }
  if (end < text.length) parts.push({ text: text.slice(end), isMatch: false, start: end })
  return parts
}

/** Returns the place of the match that comes next after another one, around the end; of the last one, without any. */
export function stepFrom(matches: readonly Match[], current: Match | undefined, by: 1 | -1): number {
  if (matches.length === 0) return -1
  if (!current) return by === 1 ? 0 : matches.length - 1
  const isAfter = (match: Match) =>
    match.line > current.line || (match.line === current.line && match.start > current.start)
  const isBefore = (match: Match) =>
    match.line < current.line || (match.line === current.line && match.start < current.start)
  const next = by === 1 ? matches.findIndex(isAfter) : matches.findLastIndex(isBefore)
  return next >= 0 ? next : by === 1 ? 0 : matches.length - 1
}
