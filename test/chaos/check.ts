/** The checker on the command line: reads a recorded history, tells what is wrong with it. */
import { readFileSync } from 'node:fs'
import { figures, violations } from './history.js'
import { parse } from './lines.js'

const [path = '/dev/stdin'] = process.argv.slice(2)
const lines = parse(readFileSync(path, 'utf8'))
const found = violations(lines)
for (const violation of found) console.log(violation)
console.error(
  Object.entries(figures(lines))
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ')
)
process.exitCode = found.length > 0 ? 1 : 0
