import { AppError } from '../../errors.js'

/**
 * The words of a text, as Python's shlex.split finds them: separated by white space; quotes of both kinds; a backslash
 * takes the next character as it is, but within double quotes only a quote or a backslash. Throws `invalid_request`.
 */
export function splitWords(text: string): string[] {
  const words: string[] = []
  /** The word that has begun: `""` begins one, too. */
  let word: string | undefined
  /** The quote that is open, else "". */
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

/** What a backslash and this character stand for, outside of quotes ("") or within a pair of them. */
function unescaped(character: string, quote: string): string {
  return quote === '' || character === quote || character === '\\' ? character : `\\${character}`
}

/** A text that splitWords reads as this one word. It is quoted only where it must be. */
export function quoteWord(word: string): string {
  // Next to shlex's own, what Python strips as white space at the end of a value.
  return word !== '' && !/[\s\u0085"'\\]/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`
}

/** `name=value` as one word, quoted as zeek-client does: `MSG="hello world"`. */
export function assignment(name: string, value: string): string {
  return `${name}=${value === '' ? '' : quoteWord(value)}`
}
