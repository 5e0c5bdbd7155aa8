/** A line of a file, without white space at its ends, and its number. */
export interface Line {
  text: string
  number: number
}

/** Returns the lines of a file that say something: neither empty ones nor comments, which begin with `#`. */
export function* linesOf(file: string): Generator<Line> {
  for (const [index, line] of file.split(/\r\n|\r|\n/).entries()) {
    const text = line.trim()
    if (text !== '' && !text.startsWith('#')) yield { text, number: index + 1 }
  }
}
