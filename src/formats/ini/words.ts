import { AppError } from '../../errors.js'

/**
 * The words of a text, as Python's shlex.split finds them: separated by white space; quotes of both kinds; a backslash
 * takes the next character as it is, but within double quotes only a quote or a backslash. Throws `invalid_request`.
 */
export function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  let escaped = false
  for (const character of text) {
    if (escaped) {
      word = (word ?? '') + (quote !== '' && character !== quote && character !== '\\' ? '\\' : '') + character
      escaped = false
    } else if (character === '\\' && quote !== "'") {
      word ??= ''
      escaped = true
    } else if (character === quote) {
      quote = ''
    } else if (quote === '' && (character === '"' || character === "'")) {
      word ??= ''
      quote = character
    } else if (quote === '' && ' \t\r\n'.includes(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  if (escaped) throw new AppError('invalid_request', 'No escaped character')
  if (quote !== '') throw new AppError('invalid_request', 'No closing quotation')
  return word === undefined ? words : [...words, word]
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
