import { fileURLToPath } from 'node:url'

/** The path of this program, for the processes that the server launches. */
export const programPath = fileURLToPath(new URL('../main.js', import.meta.url))

/** Options of `start` that are about nodes; the others are of the server. */
const ofNodes = /^--(role|instance|all|comment|json|timeout|no-wait|url|context|token-file|ca|cert|key|help)(=|$)|^-h$/

/** Whether `start`, with these arguments, starts the server: it does unless nodes are named or selected. */
export function startsServer(args: readonly string[]): boolean {
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (ofNodes.test(arg) || !arg.startsWith('--')) return false
    const takesValue = !/^--(controller|agent)$/.test(arg) && !arg.includes('=')
    if (takesValue) at++
  }
  return true
}
