/**
 * Runs compiled tests, several processes at a time. The files of a folder share a process, since to load what they test
 * takes longer than most of them; those that run whole clusters, and those that are named, have one of their own.
 *
 *   npm test                                  all of test/**\/*.test.ts
 *   npm test -- test/store test/log.test.ts   those of a folder, and a file
 *   npm test -- --jobs=1 --timeout=60         one at a time, no file longer than that (in seconds)
 *
 * Prints a line for each process, with what it remarks; of one that fails all that it has said, but for what went well.
 * The last line counts assertions as tap does.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/util.js'

interface Result {
  code: number | NodeJS.Signals
  output: string
  seconds: number
}
interface Count {
  total: number
  pass: number
  fail: number
  skip: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: String(availableParallelism() + 1) },
    timeout: { type: 'string', default: '400' }
  }
})
const timeoutSeconds = Number(values.timeout)

/**
 * Those first that take long, a process for each folder of theirs; others share one with the folders that they are in.
 */
const long = [
  'test/console',
  'test/flow',
  'test/demo',
  'test/server',
  'test/controller',
  'test/agent',
  'test/supervisor'
]
const rank = (file: string) => (long.findIndex(folder => file.startsWith(folder)) + long.length + 1) % (long.length + 1)

/** Files that one process runs. */
interface Group {
  name: string
  files: string[]
}

function processOf(file: string): string {
  if (file.startsWith('test/flow/') || file.startsWith('test/demo/')) return file
  const folder = dirname(file)
  return long.some(one => file.startsWith(one)) ? folder : folder.split('/').slice(0, 2).join('/')
}

function groupsOf(paths: string[]): Group[] {
  const named = paths.filter(path => path.endsWith('.ts'))
  const folders = paths.length === 0 ? ['test/'] : paths.filter(path => !path.endsWith('.ts'))
  const groups = new Map(named.map(file => [file, [file]]))
  for (const name of readdirSync(join(packageRoot, 'test'), { recursive: true, encoding: 'utf8' }).sort()) {
    const file = join('test', name)
    if (!file.endsWith('.test.ts') || named.includes(file) || !folders.some(folder => file.startsWith(folder))) continue
    const group = processOf(file)
    groups.set(group, [...(groups.get(group) ?? []), file])
  }
  return [...groups].map(([name, files]) => ({ name, files })).sort((a, b) => rank(a.name) - rank(b.name))
}

function run({ name, files }: Group): Promise<Result> {
  const start = performance.now()
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', join('dist', 'test', 'files.js'), name, ...files.map(compiled)],
    {
      cwd: packageRoot,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TAP_TIMEOUT: values.timeout }
    }
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  // tap itself ends a test that is too slow, unless it is too busy.
  const timer = setTimeout(() => child.kill('SIGKILL'), (timeoutSeconds * files.length + 20) * 1000)
  return new Promise(resolve => {
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code: code ?? signal ?? -1, output, seconds: (performance.now() - start) / 1000 })
    })
  })
}

const compiled = (file: string) => join(packageRoot, 'dist', file.replace(/\.ts$/, '.js'))

/**
 * What tap has counted, in its last line: "# { total: 12, pass: 11, fail: 1 }". A process that fails without a failed
 * assertion is one.
 */
function countOf({ code, output }: Result): Count {
  const last = output.match(/^# \{ .* \}$/gm)?.at(-1) ?? ''
  const of = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(last)?.[1] ?? 0)
  const count = { total: of('total'), pass: of('pass'), fail: of('fail'), skip: of('skip') + of('todo') }
  if (count.fail === 0 && (code !== 0 || count.total === 0)) return { ...count, total: count.total + 1, fail: 1 }
  return count
}

const passing = /^ *(ok |# Subtest|\d+\.\.\d+|# time=|TAP version|# \{ )/

const isFile = (line: string) => /^# \S+\.test\.js$/.test(line)

function tell({ name, files }: Group, result: Result, count: Count): void {
  const failed = count.fail > 0
  const more = [
    ...(files.length > 1 ? [`${files.length} files`] : []),
    ...(count.skip > 0 ? [`${count.skip} skipped`] : [])
  ]
  const what = [`${count.pass} in ${result.seconds.toFixed(1)} s`, ...more].join(', ')
  console.log(`${failed ? 'not ok' : 'ok'} ${name} # ${what}`)
  const lines = result.output
    .split('\n')
    .filter(line => line.trim() !== '' && !passing.test(line) && (failed || (/^ *# /.test(line) && !isFile(line))))
  for (const line of lines) console.log(`  ${line}`)
  if (failed && typeof result.code === 'string') console.log(`  # ended by ${result.code}`)
}

const waiting = groupsOf(positionals)
const total: Count = { total: 0, pass: 0, fail: 0, skip: 0 }

async function work(): Promise<void> {
  for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
    const result = await run(group)
    const count = countOf(result)
    for (const name of Object.keys(total) as (keyof Count)[]) total[name] += count[name]
    tell(group, result, count)
  }
}

if (waiting.length === 0) throw new Error(`there are no tests in ${positionals.join(', ')}`)
await Promise.all(Array.from({ length: Number(values.jobs) }, work))
console.log(`# { total: ${total.total}, pass: ${total.pass}, fail: ${total.fail}, skip: ${total.skip} }`)
process.exitCode = total.fail === 0 ? 0 : 1
