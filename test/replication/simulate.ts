/**
 * Runs schedules of the simulation: `simulate.js FIRST COUNT`. Ends with 0 when no promise was broken, with 3 at the
 * first one that was.
 */
import { simulate, Violation } from './simulation.js'

const [first = 1, count = 1] = process.argv.slice(2).map(Number)
let acknowledged = 0
try {
  for (let seed = first; seed < first + count; seed++) acknowledged += (await simulate(seed)).acknowledged
  console.log(`${count} schedules, ${acknowledged} acknowledged writes`)
  process.exit(0)
} catch (error) {
  console.log(error instanceof Violation ? error.message : (error as Error).stack)
  process.exit(error instanceof Violation ? 3 : 1)
}
