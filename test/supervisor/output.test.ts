import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lastLines, Output, tailBytes, tailLines } from '../../src/supervisor/output.js'

/** An output, and a way to write to it as a program does. */
function open(t: Test, maxBytes = 1 << 20) {
  const directory = join(t.testdir(), 'node')
  const output = new Output(directory, maxBytes)
  const run = () => {
    const [stdout, stderr] = output.open()
    t.teardown(() => [stdout, stderr].forEach(file => closeSync(file)))
    return (text: string, to = stdout) => writeSync(to, text)
  }
  return { directory, output, run, path: (name: string) => join(directory, name) }
}

await t.test('each run has files of its own, and its tail is only its own', async t => {
  const { output, run, path } = open(t)
  run()('first\n')
  const write = run()
  t.same(output.tail(), { stdout: '', stderr: '' })
  write('second\nthird')
  t.equal(output.tail().stdout, 'second\nthird')
  t.equal(readFileSync(path('stdout'), 'utf8'), 'second\nthird')
  t.equal(readFileSync(path('stdout.1'), 'utf8'), 'first\n')
})

await t.test('the runs before are kept in order, five of them', async t => {
  const { run, path, directory } = open(t)
  for (let n = 1; n <= 8; n++) run()(`run ${n}`)
  t.same(
    [path('stdout'), ...[1, 2, 3, 4, 5].map(n => path(`stdout.${n}`))].map(file => readFileSync(file, 'utf8')),
    [8, 7, 6, 5, 4, 3].map(n => `run ${n}`)
  )
  t.equal(readdirSync(directory).length, 12)
})

await t.test('a file that was removed by hand does not make its run another one', async t => {
  const { run, path } = open(t)
  for (let n = 1; n <= 3; n++) run()(`run ${n}`)
  rmSync(path('stdout.1'))
  run()('run 4')
  t.equal(readFileSync(path('stdout.1'), 'utf8'), 'run 3')
  t.notOk(existsSync(path('stdout.2')))
  t.equal(readFileSync(path('stdout.3'), 'utf8'), 'run 1')
})

await t.test('the tail has a hundred lines, whether the last is whole or not', async t => {
  const { output, run } = open(t)
  const write = run()
  for (let n = 1; n <= 250; n++) write(`line ${n}\n`)
  const lines = output.tail().stdout.split('\n')
  t.equal(lines.length, tailLines)
  t.same([lines[0], lines.at(-1)], ['line 151', 'line 250'])
  write('line 251')
  const more = output.tail().stdout.split('\n')
  t.same([more.length, more[0], more.at(-1)], [tailLines, 'line 152', 'line 251'])
})

await t.test('the tail has no more than 64 KiB', async t => {
  const { output, run } = open(t, 1 << 30)
  const write = run()
  write('x'.repeat(3 * tailBytes))
  t.equal(output.tail().stdout.length, tailBytes)
  write('\nlast words\n')
  t.ok(output.tail().stdout.endsWith('x\nlast words'))
  t.ok(output.tail().stdout.length <= tailBytes)
})

await t.test('of a run whose file has grown too large the end is kept', async t => {
  const { run, path } = open(t, 10)
  run()('one two three')
  run()('2nd')
  t.equal(readFileSync(path('stdout.1'), 'utf8'), ' two three')
  t.same(readdirSync(join(path('stdout'), '..')).sort(), ['stderr', 'stderr.1', 'stdout', 'stdout.1'])
})

await t.test(
  'a full file of a running program is copied and emptied, and the program goes on writing to it',
  async t => {
    const { output, run, path } = open(t, 10)
    const write = run()
    write('nine byte')
    output.rotate()
    t.notOk(existsSync(path('stdout.old')), 'it is not full')
    write('s and more\n')
    output.rotate()
    t.equal(readFileSync(path('stdout.old'), 'utf8'), 'nine bytes and more\n')
    t.equal(output.tail().stdout, 'nine bytes and more', 'what was just written can still be seen')
    write('later')
    t.equal(output.tail().stdout, 'nine bytes and more\nlater')
    t.equal(statSync(path('stdout')).size, 5)
    t.notOk(existsSync(path('stdout.1')), 'it is the same run')
    run()
    t.notOk(existsSync(path('stdout.old')))
    t.equal(readFileSync(path('stdout.1'), 'utf8'), 'later')
  }
)

await t.test('where nothing can be copied a file is emptied all the same, and a run begins', async t => {
  const { output, run, path } = open(t, 10)
  const write = run()
  write('more than ten bytes')
  mkdirSync(join(path('stdout.old.tmp'), 'in-the-way'), { recursive: true })
  output.rotate()
  t.equal(statSync(path('stdout')).size, 0)
  t.notOk(existsSync(path('stdout.old')))
  write('more than ten bytes again')
  mkdirSync(join(path('stdout.1.tmp'), 'in-the-way'), { recursive: true })
  run()('next')
  t.equal(readFileSync(path('stdout.1'), 'utf8'), 'more than ten bytes again')
  t.equal(readFileSync(path('stdout'), 'utf8'), 'next')
})

await t.test('a line that began before what is shown is left out, unless it is most of it', async t => {
  const text = (lines: string[]) => lastLines(Buffer.from(lines.join('\n')), 10, true)
  t.equal(text(['rest of a line', 'whole', 'also whole']), 'whole\nalso whole')
  t.equal(text(['rest of an endless line', 'whole']), 'rest of an endless line\nwhole')
  t.equal(text(['only one']), 'only one')
  t.equal(lastLines(Buffer.from('a\nb\n\n'), 2, false), 'b\n')
  t.equal(lastLines(Buffer.from('a\nb'), 0, false), '')
})

await t.test('stdout and stderr are kept apart', async t => {
  const { output } = open(t)
  const [stdout, stderr] = output.open()
  writeSync(stderr, 'oh')
  writeSync(stdout, 'ah')
  t.same(output.tail(), { stdout: 'ah', stderr: 'oh' })
  for (const file of [stdout, stderr]) closeSync(file)
})

await t.test('there is no tail of files that are gone or were emptied by someone else', async t => {
  const { output, path, run } = open(t)
  t.same(output.tail(), { stdout: '', stderr: '' })
  run()('a long run\n')
  writeFileSync(path('stdout'), '')
  t.equal(output.tail().stdout, '')
  appendFileSync(path('stdout'), 'new')
  t.equal(output.tail().stdout, 'new')
})

await t.test('bytes that are no text do no harm', async t => {
  const { output, run, path } = open(t)
  run()
  appendFileSync(path('stdout'), Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0xc3]))
  t.match(output.tail().stdout, '\n')
})
