/** Longer words are not taken for typing errors. */
const maxLength = 64

/**
 * Returns how many letters must be inserted, removed, changed or swapped with the next one to turn one word into the
 * other.
 */
function distance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, index) => index)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j]!, before[j - 2]! + 1)
      }
    }
    ;[before, last] = [last, row]
  }
  return last[b.length]!
}

/** Returns the known word that was likely meant; undefined when none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > maxLength) return undefined
  const limit = word.length < 5 ? 1 : 2
  const [first] = [...known]
    .filter(candidate => Math.abs(candidate.length - word.length) <= limit)
    .map(candidate => ({ candidate, away: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, away }) => away <= limit && away < candidate.length)
    .sort((a, b) => a.away - b.away)
  return first?.candidate
}

/** Returns what is added to the message about an unknown word. */
export function suggestion(word: string, known: Iterable<string>): string {
  const meant = nearest(word, known)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}
