/**
 * A place in the log that several controllers share. Terms come first: they grow with each leader, and with each log
 * that is made in place of another, whose places begin anew.
 */
export interface LogPlace {
  term: number
  place: number
}

/** The header that says until which place of the log an answer tells, or has to tell at least. */
export const placeHeader = 'zeek-log-place'

/** Returns whether whoever is at a place has everything until another. */
export function isAt(own: LogPlace, other: LogPlace): boolean {
  return own.term > other.term || (own.term === other.term && own.place >= other.place)
}

export function formatPlace({ term, place }: LogPlace): string {
  return `${term}.${place}`
}

/** Parses the value of the header; undefined for what is none. */
export function parsePlace(text: string): LogPlace | undefined {
  const [, term, place] = /^(\d{1,15})\.(\d{1,15})$/.exec(text) ?? []
  return place === undefined ? undefined : { term: Number(term), place: Number(place) }
}
