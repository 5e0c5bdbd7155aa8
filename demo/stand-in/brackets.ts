import { error } from './report.js'

/** Comments, strings, patterns, ends of lines, brackets; else one character. */
const TOKEN = /#.*|"(?:\\.|[^"\\\n])*"|\n|[([{}\])]|\/(?:\\.|[^/\\\n])+\/|\S/g
const CLOSING: Record<string, string> = { '(': ')', '[': ']', '{': '}' }

/**
 * All that the stand-in knows of a script's grammar: what is opened is closed. Ends, in Zeek's words, when it is not
 * so.
 */
export function checkBrackets(file: string, text: string): void {
  const expected: string[] = []
  let line = 1
  let before = ''
  const tokens = new RegExp(TOKEN)
  for (let found = tokens.exec(text); found !== null; found = tokens.exec(text)) {
    let token = found[0]
    if (token.length > 1 && token.startsWith('/') && /[\w)\]]/.test(before)) {
      // It divides.
      token = '/'
      tokens.lastIndex = found.index + 1
    }
    if (token === '\n') line++
    else if (token in CLOSING) expected.push(CLOSING[token]!)
    else if (/^[)\]}]$/.test(token) && expected.pop() !== token) fail(`at or near "${token}"`, file, line)
    if (token !== '\n' && !token.startsWith('#')) before = token.at(-1)!
  }
  if (expected.length > 0) fail(`at end of file ${file}`, file, line)
}

function fail(where: string, file: string, line: number): never {
  error(`syntax error, ${where}`, `${file}, line ${line}`)
  process.exit(1)
}
