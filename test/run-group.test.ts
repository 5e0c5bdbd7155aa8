import t, { type Test } from 'tap'
import { runGroup, type GroupOptions } from '../src/run-group.js'
import { readStat } from '../src/proc.js'
import { cleanEnv } from './support/environment.js'
import { until } from './support/until.js'

const never = new AbortController().signal

/** Has a shell do something in a group of its own. */
async function run(script: string, options: Partial<GroupOptions> = {}) {
  return await runGroup(['/bin/sh', '-c', script], {
    cwd: '/',
    env: { PATH: cleanEnv.PATH! },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeoutMs: 300_000,
    signal: never,
    maxOutput: 1000,
    ...options
  })
}

/** Who buries orphans here may take its time. */
async function isGone(pid: number): Promise<boolean> {
  return (await readStat(pid))?.ended ?? true
}

function killAfter(t: Test, pid: number): void {
  t.teardown(() => process.kill(pid, 'SIGKILL'))
}

await t.test('how a command has ended, and what it has said', async t => {
  t.same(await run('pwd; echo oops >&2; exit 3', { stdio: ['ignore', 'ignore', 'pipe'] }), {
    code: 3,
    by: null,
    givenUp: undefined,
    output: 'oops\n'
  })
  t.match(await run('printf "%s" "$A"', { env: { A: 'b' } }), { code: 0, output: 'b' })
  t.match(await run('kill -TERM $$'), { code: null, by: 'SIGTERM', givenUp: undefined })
})

await t.test('one that takes too long is killed, with all that it has started', async t => {
  // Until it was given the time to begin.
  let timeoutMs = 100
  const end = await until(async () => {
    const end = await run('sh -c "sleep 600 & echo \\$\\$ \\$!; wait" & wait', { timeoutMs })
    timeoutMs *= 2
    t.match(end, { code: null, by: 'SIGKILL', givenUp: 'timeout' })
    return end.output.endsWith('\n') && end
  }, 'it has begun')
  for (const pid of end.output.trim().split(' ')) await until(() => isGone(Number(pid)), `${pid} is gone`)
})

await t.test('a signal kills all of it, too, even one of before', async t => {
  const stopping = new AbortController()
  const end = await run('sleep 600 & echo $!; wait', { signal: stopping.signal, onOutput: () => stopping.abort() })
  t.match(end, { code: null, by: 'SIGKILL', givenUp: 'abort' })
  await until(() => isGone(Number(end.output)), 'its child is gone')
  t.match(await run('sleep 600', { signal: stopping.signal }), { by: 'SIGKILL', givenUp: 'abort', output: '' })
})

await t.test('the end of its output is kept, and all of it is told', async t => {
  let told = 0
  const onOutput = (text: string) => {
    told += text.length
  }
  const script = '{ yes | head -c 1000000; printf "the end"; } >&2'
  t.equal((await run(script, { maxOutput: 10, onOutput })).output, '\ny\nthe end')
  t.equal(told, 1_000_007)
  t.equal((await run(script, { maxOutput: 0 })).output, '')
})

await t.test('one that has left the group and holds its output open does not hold it up', async t => {
  const end = await run('setsid sleep 600 & echo $!')
  t.match(end, { code: 0, givenUp: undefined })
  killAfter(t, Number(end.output))
  t.notOk(await isGone(Number(end.output)))
})

await t.test('what is left of the group goes with its leader, or stays, as wanted', async t => {
  const script = 'sleep 600 >/dev/null 2>&1 & echo $!'
  const rest = Number((await run(script, { killRest: true })).output)
  await until(() => isGone(rest), 'it is gone')
  const other = Number((await run(script)).output)
  killAfter(t, other)
  t.notOk(await isGone(other))
})

await t.test('a command that is not there', async t => {
  const options = { cwd: '/', env: {}, stdio: [], timeoutMs: 300_000, signal: never }
  await t.rejects(runGroup(['/nonexistent'], options), { code: 'ENOENT', message: /\/nonexistent/ })
  await t.rejects(runGroup(['/nonexistent'], { ...options, signal: AbortSignal.abort() }), { code: 'ENOENT' })
})
