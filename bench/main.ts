/**
 * Measures, each figure beside the same figure of a baseline, in turns, in the same run.
 *
 *   npm run bench                     all, about twenty minutes
 *   npm run bench -- --quick          whether it works, under a minute
 *   npm run bench -- fanout idle      these
 *
 * Writes bench/results/<time>.json, with a description of the machine.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/util.js'
import { machine } from './machine.js'
import { isMet, ratioOf, type Bench, type Row } from './row.js'

const benches: Record<string, () => Promise<{ bench: Bench }>> = {
  messages: () => import('./messages.js'),
  post: () => import('./post.js'),
  start: () => import('./start.js'),
  small: () => import('./small.js'),
  fanout: () => import('./fanout.js'),
  replay: () => import('./replay.js'),
  deploy: () => import('./deploy.js'),
  roundtrip: () => import('./roundtrip.js'),
  storm: () => import('./storm.js'),
  idle: () => import('./idle.js'),
  stalled: () => import('./stalled.js'),
  routes: () => import('./routes.js'),
  cli: () => import('./cli.js'),
  console: () => import('./console.js'),
  bundles: () => import('./bundles.js'),
  groups: () => import('./groups.js'),
  rollout: () => import('./rollout.js'),
  replicated: () => import('./replicated.js'),
  zeek: () => import('./zeek.js')
}
/** What takes long, and is run only when it is named. */
const onlyNamed: typeof benches = { scale: () => import('./scale.js') }
const all = { ...benches, ...onlyNamed }

const {
  values: { quick = false, out },
  positionals
} = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' }, out: { type: 'string' } } })
const unknown = positionals.filter(name => !(name in all))
if (unknown.length > 0) throw new Error(`there is no bench ${unknown.join(', ')}: ${Object.keys(all).join(' ')}`)

const number = (value: number) => (value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3))
const columns = [44, 22, 10, 26, 10, 7, 0]
const line = (...cells: string[]) =>
  console.log(
    cells
      .map((cell, index) => ([2, 4, 5].includes(index) ? cell.padStart(columns[index]!) : cell.padEnd(columns[index]!)))
      .join('  ')
  )

function print(row: Row): void {
  const { aim } = row
  const verdict = aim && `${'atMost' in aim ? `<= ${aim.atMost}` : `>= ${aim.atLeast}`} ${isMet(row) ? 'yes' : 'NO'}`
  line(row.what, row.figure, number(row.ours), row.baseline, number(row.theirs), ratioOf(row).toFixed(2), verdict ?? '')
}

const before = machine()
const rows: (Row & { bench: string; ratio: number; met: boolean | undefined })[] = []
line('what', 'figure', 'ours', 'baseline', 'theirs', 'ratio', 'aim')
for (const name of positionals.length > 0 ? positionals : Object.keys(benches)) {
  const { bench } = await all[name]!()
  for await (const row of bench({ quick, say: text => console.error(`# ${name}: ${text}`) })) {
    print(row)
    rows.push({ bench: name, ...row, ratio: ratioOf(row), met: isMet(row) })
  }
}

const file =
  out ??
  join(
    packageRoot,
    'bench',
    'results',
    `${new Date().toISOString().slice(0, 19).replaceAll(':', '')}${quick ? '-quick' : ''}.json`
  )
mkdirSync(join(file, '..'), { recursive: true })
writeFileSync(file, `${JSON.stringify({ quick, before, after: machine(), rows }, null, 2)}\n`)
console.log(file)
