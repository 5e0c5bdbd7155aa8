import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { History, readRuns, runsKept } from '../../src/supervisor/history.js'
import { until } from '../support/until.js'
import { directoryOf, supervisorFixture, gone, program, startHost, supervise } from './programs.js'

const reasons = (directory: string) => readRuns(join(directory, 'it')).map(({ reason }) => reason)

await t.test('every run is remembered with its process and why it has ended, the newest first', async t => {
  const { supervisor, directory, statusOf, changes } = supervise(t)
  await supervisor.start(
    program(directory, 'it', ['/bin/sh', '-c', 'test -e once && kill -SEGV $$; touch once; exit 7'], {
      restart: { initialMs: 10, maxMs: 10, resetMs: 60_000, maxFailures: 2 }
    })
  )
  await until(() => statusOf('it')?.state === 'FAILED', 'it is given up')
  const runs = readRuns(join(directory, 'it'))
  t.same(
    runs.map(({ reason }) => reason),
    ['killed by SIGSEGV', 'exited with code 7']
  )
  t.same(
    runs.map(({ pid }) => pid),
    changes.flatMap(({ pid }) => pid ?? []).reverse()
  )
  for (const { started_at: from, ended_at: to } of runs) t.ok(from <= to!, `${from} is before ${to}`)
  await supervisor.start(program(directory, 'it', ['/bin/sleep', '1000'], { tag: 'b' }))
  await until(() => readRuns(join(directory, 'it')).length === 3, 'a program in its place goes on with its history')
  t.match(readRuns(join(directory, 'it'))[0], { pid: statusOf('it')!.pid, ended_at: undefined, reason: undefined })
  await supervisor.stop('it')
  t.same(reasons(directory), ['stopped', 'killed by SIGSEGV', 'exited with code 7'])
})

await t.test('a stop that took SIGKILL says so, and one in which a program ends otherwise says how', async t => {
  const { supervisor, directory, says } = supervise(t)
  await supervisor.start(program(directory, 'it', [supervisorFixture('stubborn.sh')], { stopTimeoutMs: 50 }))
  await says('it', 'up')
  await supervisor.stop('it')
  await supervisor.start(
    program(directory, 'it', ['/bin/sh', '-c', 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done'])
  )
  await says('it', 'ready')
  await supervisor.stop('it')
  t.same(reasons(directory), ['stopped: exited with code 3', 'killed by SIGKILL after 0.05 s'])
})

await t.test('what cannot be started is a run without a process, with outputs of its own', async t => {
  const { supervisor, directory, statusOf } = supervise(t)
  await supervisor.start(
    program(directory, 'it', ['/bin/true'], {
      cwd: join(directory, 'missing'),
      restart: { initialMs: 1, maxMs: 1, resetMs: 1, maxFailures: 1 }
    })
  )
  await until(() => statusOf('it')?.state === 'FAILED', 'it is given up')
  const [run, ...others] = readRuns(join(directory, 'it'))
  t.match(run, { pid: undefined, reason: `cannot start: there is no directory ${join(directory, 'missing')}` })
  t.same(others, [])
  t.equal(readFileSync(join(directory, 'it', 'stdout'), 'utf8'), '')
})

await t.test('a process that is taken over goes on with its run, in the same files', async t => {
  const directory = directoryOf(t)
  const host = await startHost(t, directory, [program(directory, 'it', [supervisorFixture('closing.sh')])])
  const before = await until(() => {
    const runs = readRuns(join(directory, 'it'))
    return runs.length > 0 && runs
  }, 'the run has begun')
  await host.kill()
  const { supervisor, says, statusOf } = supervise(t, directory)
  await supervisor.recover()
  t.same(readRuns(join(directory, 'it')), before)
  await says('it', 'up')
  const { pid } = statusOf('it')!
  process.kill(pid!, 'SIGKILL')
  await until(() => statusOf('it')?.pid !== pid && statusOf('it')?.state === 'RUNNING', 'it was started again')
  t.same(reasons(directory), [undefined, 'exited'])
  t.equal(readFileSync(join(directory, 'it', 'stdout.1'), 'utf8'), 'up\n')
})

await t.test('a process that ends while no supervisor is there gets its end from the next', async t => {
  const directory = directoryOf(t)
  const host = await startHost(t, directory, [program(directory, 'it', ['/bin/sleep', '1000'])])
  await host.kill()
  process.kill(host.pidOf('it'), 'SIGKILL')
  await gone(host.pidOf('it'))
  const { supervisor } = supervise(t, directory)
  await supervisor.recover()
  t.match(readRuns(join(directory, 'it')), [
    { pid: host.pidOf('it'), ended_at: String, reason: 'exited while no supervisor was there' }
  ])
})

await t.test(
  'a process that was taken over without a history, or with one that ends before it, gets a run that began when it did',
  async t => {
    const directory = t.testdir()
    new History(directory).adopt(5, new Date(1_700_000_000_000))
    t.same(readRuns(directory), [{ pid: 5, started_at: '2023-11-14T22:13:20.000Z' }])
    new History(directory).adopt(5, new Date(0))
    t.equal(readRuns(directory).length, 1, 'the same process')
    new History(directory).adopt(6, new Date(1_700_000_001_000))
    t.match(readRuns(directory), [
      { pid: 6, started_at: '2023-11-14T22:13:21.000Z' },
      { pid: 5, reason: 'exited while no supervisor was there' }
    ])
  }
)

await t.test('no more than twenty runs are remembered', async t => {
  const directory = t.testdir()
  const history = new History(directory)
  for (let pid = 1; pid <= runsKept + 5; pid++) {
    history.begin(pid)
    history.end(`end of ${pid}`)
    history.end('twice')
  }
  t.same(
    readRuns(directory).map(({ reason }) => reason),
    Array.from({ length: runsKept }, (_, n) => `end of ${runsKept + 5 - n}`)
  )
})

await t.test('a damaged history begins anew', async t => {
  for (const text of [
    '',
    '[{"pid":1',
    '{}',
    '[{"pid":"x","started_at":"now"}]',
    `[${' '.repeat(1 << 20)}]`,
    '[null]'
  ]) {
    const directory = directoryOf(t, { 'runs.json': text })
    t.same(readRuns(directory), [], text.slice(0, 20))
    const history = new History(directory)
    history.end('nothing runs')
    history.begin(7)
    t.match(readRuns(directory), [{ pid: 7 }])
  }
})

await t.test('a history that cannot be written does not keep a program from running', async t => {
  const { supervisor, directory, says } = supervise(t)
  mkdirSync(join(directory, 'it', 'runs.json.tmp'), { recursive: true })
  writeFileSync(join(directory, 'it', 'runs.json.tmp', 'in-the-way'), '')
  await supervisor.start(program(directory, 'it', [supervisorFixture('closing.sh')]))
  await says('it', 'up')
  t.same(readRuns(join(directory, 'it')), [])
})
