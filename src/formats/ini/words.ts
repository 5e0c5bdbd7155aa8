import { AppError } from '../../errors.js'

/**
 * Returns the words of a text, as Python's shlex.split does: separated by white space; quotes of both kinds; a
 * backslash escapes the next character, but within double quotes only a quote or a backslash. Throws `invalid_request`.
 */
export function splitWords(text: string): string[] {
  const words: string[] = []
  /** The current word: `""` begins one, too. */
  let word: string | undefined
  /** The open quote, else "". */
  let quote = ''
  let isEscaped = false

  const append = (part: string) => {
    word = (word ?? '') + part
  }
  const end = () => {
    if (word !== undefined) words.push(word)
    word = undefined
  }
  const readUnquoted = (character: string) => {
    if (character === '"' || character === "'") {
      append('')
      quote = character
    } else if (' \t\r\n'.includes(character)) end()
    else append(character)
  }

  for (const character of text) {
    if (isEscaped) {
      append(unescaped(character, quote))
      isEscaped = false
    } else if (character === '\\' && quote !== "'") {
      append('')
      isEscaped = true
    } else if (quote === '') readUnquoted(character)
    else if (character === quote) quote = ''
    else append(character)
  }
  if (isEscaped) throw new AppError('invalid_request', 'No escaped character')
  if (quote !== '') throw new AppError('invalid_request', 'No closing quotation')
  end()
  return words
}

/** Returns what a backslash and this character stand for, outside of quotes ("") or within a pair of them. */
function unescaped(character: string, quote: string): string {
  return quote === '' || character === quote || character === '\\' ? character : `\\${character}`
}

/** Returns a text that splitWords reads as this one word. It is quoted only where necessary. */
export function quoteWord(word: string): string {
  // In addition to shlex's own: what Python strips as white space at the end of a value.
  return word !== '' && !/[\s\u0085"'\\]/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`
}

/** Returns `name=value` as one word, quoted as zeek-client does: `MSG="hello world"`. */
export function assignment(name: string, value: string): string {
  return `${name}=${value === '' ? '' : quoteWord(value)}`
}
