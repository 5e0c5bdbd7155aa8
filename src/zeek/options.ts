/** The directory of options, below the first of ZEEKPATH. */
export const optionsDirectory = 'nodes'

/**
 * Returns the script that sets a node's options, as the node loads it along its ZEEKPATH. Each is in a directory of its
 * own: of "a.zeek" Zeek takes "a.zeek.zeek" first, which could be another node's.
 */
export function optionsScript(node: string): string {
  return `${optionsDirectory}/${node}/options.zeek`
}

/** Returns whether a node has options, and so a script for them. */
export function hasOptions<T extends { options?: Record<string, string> }>(
  node: T
): node is T & { options: Record<string, string> } {
  return node.options !== undefined && Object.keys(node.options).length > 0
}

/**
 * Encloses a value so that it stays one. In a script a semicolon would end its statement, and the other two would begin
 * a comment and a directive; inside of a string, or of a pattern, their escapes mean the same.
 */
const enclosed = (value: string) =>
  value.replace(/\\?([;#@])|\\./gs, (text, mark?: string) => (mark ? `\\x${mark.charCodeAt(0).toString(16)}` : text))

/**
 * Returns a script that sets options as Zeek does when they are arguments: each is a `redef`, and a value for an
 * identifier of type string is quoted. It needs our script for nodes, which tells these apart.
 */
export function renderOptions(options: Record<string, string>): string {
  return Object.entries(options)
    .map(([name, value]) => renderOption(name, enclosed(value)))
    .join('')
}

function renderOption(name: string, value: string): string {
  const text = `redef ${name} = "${value}";\n`
  // Zeek crashes on a statement without a value. This one it refuses, unless a string is meant.
  if (value.trim() === '') return text
  // Without a name that Zeek knows the question for its type would end the parse, and hide what else is wrong.
  return `@ifdef ( ${name} )
@if ( ZeekClusterController::is_text([$f() = { return ${name}; }]$f) )
${text}@else
redef ${name} = ${value};
@endif
@else
redef ${name} = T;
@endif
`
}
