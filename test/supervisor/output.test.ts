import { appendFileSync, closeSync, existsSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Output, tailBytes, tailLines } from '../../src/supervisor/output.js'

/** An output, and a way to write to it as a program does. */
function open (t: Test, maxBytes = 1 << 20) {
  const directory = join(t.testdir(), 'node')
  const output = new Output(directory, maxBytes)
  const run = () => {
    const [stdout, stderr] = output.open()
    t.teardown(() => [stdout, stderr].forEach(file => closeSync(file)))
    return (text: string, to = stdout) => writeSync(to, text)
  }
  return { directory, output, run, path: (name: string) => join(directory, name) }
}

await t.test('a run appends to what is there, and its tail is only its own', async t => {
  const { output, run, path } = open(t)
  run()('first\n')
  const write = run()
  t.same(output.tail(), { stdout: '', stderr: '' })
  write('second\nthird')
  t.equal(output.tail().stdout, 'second\nthird')
  t.equal(readFileSync(path('stdout'), 'utf8'), 'first\nsecond\nthird')
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

await t.test('a full file is put aside before the next run, and the one before that is lost', async t => {
  const { output, run, path } = open(t, 10)
  run()('first run.')
  run()('second run')
  t.equal(readFileSync(path('stdout.1'), 'utf8'), 'first run.')
  run()('third')
  t.equal(readFileSync(path('stdout.1'), 'utf8'), 'second run')
  t.equal(readFileSync(path('stdout'), 'utf8'), 'third')
  t.notOk(existsSync(path('stderr.1')))
  t.equal(output.tail().stdout, 'third')
})

await t.test('a full file of a running program is copied and emptied, and the program goes on writing to it', async t => {
  const { output, run, path } = open(t, 10)
  const write = run()
  write('nine byte')
  output.rotate()
  t.notOk(existsSync(path('stdout.1')), 'it is not full')
  write('s and more')
  output.rotate()
  t.equal(readFileSync(path('stdout.1'), 'utf8'), 'nine bytes and more')
  t.equal(output.tail().stdout, '')
  write('later')
  t.equal(output.tail().stdout, 'later')
  t.equal(statSync(path('stdout')).size, 5)
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
  run()('a long first run\n')
  run()('second')
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
