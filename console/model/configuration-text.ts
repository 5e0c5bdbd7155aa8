/** A part of a text, by its offsets. */
export interface Place {
  from: number
  to: number
}

export interface JsonMember {
  key: string
  /** Of the key, with its quotes. */
  keyPlace: Place
  /** Undefined where the text ends, or is wrong, before it. */
  part: JsonPart | undefined
}

/** A JSON value, and where it is in its text. */
export type JsonPart = Place &
  (
    | { kind: 'object'; members: JsonMember[] }
    | { kind: 'list'; items: JsonPart[] }
    | { kind: 'plain'; value: string | number | boolean | null }
  )

/** Returns a member of an object; of several with the same key the last, which is the one that counts. */
export function memberOf(part: JsonPart | undefined, key: string): JsonMember | undefined {
  return part?.kind === 'object' ? part.members.findLast(member => member.key === key) : undefined
}

/** Returns the text of a member that is one. */
export function textOf(part: JsonPart | undefined, key: string): string | undefined {
  const of = memberOf(part, key)?.part
  return of?.kind === 'plain' && typeof of.value === 'string' ? of.value : undefined
}

/** Returns the items of a member that is a list. */
export function itemsOf(part: JsonPart | undefined, key: string): readonly JsonPart[] {
  const of = memberOf(part, key)?.part
  return of?.kind === 'list' ? of.items : []
}

/** Returns the configuration of a text: what it holds, or its only member `config`, as the body of a request has it. */
export function configurationIn(root: JsonPart | undefined): JsonPart | undefined {
  if (root?.kind !== 'object' || root.members.length !== 1 || root.members[0]!.key !== 'config') return root
  return root.members[0]!.part
}

/** Returns the number of the line of an offset, from 1. */
export function lineOf(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++
  return line
}

/** Returns where a line is, by its number from 1; of one that there is not the end of the text. */
export function placeOfLine(text: string, line: number): Place {
  let from = 0
  for (let count = 1; count < line; count++) {
    const end = text.indexOf('\n', from)
    if (end < 0) return { from: text.length, to: text.length }
    from = end + 1
  }
  const end = text.indexOf('\n', from)
  return { from, to: end < 0 ? text.length : end }
}
