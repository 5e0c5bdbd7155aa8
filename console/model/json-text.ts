/** Tokens of a JSON text: strings, brackets, commas, colons, and the rest. */
const tokens = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s"[\]{},:]+/g

/**
 * Returns a JSON text with one value a line, indented. Numbers stay as they are: those of Zeek can be larger than those
 * of JavaScript.
 */
export function prettyJson(text: string): string {
  const found = text.match(tokens) ?? []
  const lines: string[] = []
  let line = ''
  let depth = 0
  const end = () => {
    lines.push(line)
    line = '  '.repeat(Math.max(0, depth))
  }
  found.forEach((token, index) => {
    const next = found[index + 1]
    switch (token) {
      case '{':
      case '[':
        line += token
        if (next === '}' || next === ']') break
        depth++
        end()
        break
      case '}':
      case ']':
        if (found[index - 1] !== '{' && found[index - 1] !== '[') {
          depth--
          end()
        }
        line += token
        break
      case ',':
        line += token
        end()
        break
      case ':':
        line += ': '
        break
      default:
        line += token
    }
  })
  return [...lines, line].join('\n')
}
