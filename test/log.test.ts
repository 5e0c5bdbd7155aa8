import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { cleanEnv, fixture } from './support/environment.js'

const program = fixture('log.mjs')
const linesOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))

await t.test('a log writes the same lines to stderr, to its file, and to who listens', async t => {
  const directory = join(t.testdir(), 'not', 'there')
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, directory], { env: cleanEnv })
  const lines = linesOf(stderr)
  t.match(lines, [
    { level: 'INFO', node: 'agent-1', role: 'AGENT', message: 'hello\nworld', ts: Number },
    { level: 'WARNING', message: 'careful', reqid: 'r1' },
    { level: 'ERROR', message: 'broken', err: { message: 'oh', stack: String } }
  ])
  t.equal(lines.length, 3)
  t.ok(Math.abs(lines[0].ts - Date.now() / 1000) < 600, 'ts is in seconds')
  t.equal(readFileSync(join(directory, 'management-agent-1.log'), 'utf8'), stderr)
  t.equal(stdout, 'INFO hello\nworld\nWARNING careful\nERROR broken\n')
})

await t.test('a log file is appended to, not begun anew', async t => {
  const directory = t.testdir({ 'management-agent-1.log': '{"message":"before"}\n' })
  await promisify(execFile)(process.execPath, [program, directory], { env: cleanEnv })
  t.same(
    linesOf(readFileSync(join(directory, 'management-agent-1.log'), 'utf8')).map(({ message }) => message),
    ['before', 'hello\nworld', 'careful', 'broken']
  )
})

await t.test('a log file that cannot be written ends nothing, and keeps no line from stderr', async t => {
  const directory = t.testdir({ 'management-agent-1.log': t.fixture('symlink', '/dev/full') })
  const { stderr } = await promisify(execFile)(process.execPath, [program, directory], { env: cleanEnv })
  t.same(
    linesOf(stderr).map(({ message }) => message),
    ['hello\nworld', 'careful', 'broken']
  )
})
