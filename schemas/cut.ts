/**
 * Returns a text of at most so many UTF-16 code units: of a longer one the beginning, with no half of a character, and
 * an ellipsis.
 */
export function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
