import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Running } from '../../src/supervisor/process.js'
import { Supervisor } from '../../src/supervisor/supervisor.js'
import { cleanEnv } from '../support/environment.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { directoryOf, supervisorFixture, gone, program, supervise } from './programs.js'

const sleeper = ['/bin/sleep', '1000']

await t.test('a program is started, seen, and stopped', async t => {
  const { supervisor, directory, statusOf, states } = supervise(t)
  await supervisor.start(program(directory, 'it', sleeper, { tag: 'v1' }))
  const { pid } = await until(() => (statusOf('it')?.pid ? statusOf('it') : undefined), 'it runs')
  t.match(statusOf('it'), { name: 'it', kind: 'detached', tag: 'v1', state: 'RUNNING', reason: 'started' })
  t.ok(isRunning(pid!))
  await supervisor.stop('it')
  t.notOk(isRunning(pid!))
  t.same(supervisor.status(), [])
  t.same(states(), ['RUNNING', 'STOPPED'])
  t.same(readdirSync(join(directory, 'supervisor')), [], 'nothing is left of it')
})

await t.test('a program that exits is started again, and given up after so many failures', async t => {
  const { supervisor, directory, changes, statusOf } = supervise(t)
  await supervisor.start(program(directory, 'it', ['/bin/sh', '-c', 'echo run; exit 7']))
  await until(() => statusOf('it')?.state === 'FAILED', 'it is given up')
  t.same(
    changes.map(({ state, reason }) => `${state}: ${reason}`),
    [
      'RUNNING: started',
      'CRASHED: exited with code 7',
      'RUNNING: started',
      'CRASHED: exited with code 7',
      'RUNNING: started',
      'FAILED: exited with code 7, 3 times in a row'
    ]
  )
  t.equal(statusOf('it')?.pid, undefined)
  t.same(
    ['stdout', 'stdout.1', 'stdout.2'].map(name => readFileSync(join(directory, 'it', name), 'utf8')),
    ['run\n', 'run\n', 'run\n']
  )
  t.equal(supervisor.output('it').stdout, 'run', 'the tail is of the last run')
})

await t.test('a run that is long enough ends the row of failures', async t => {
  const { supervisor, directory, states } = supervise(t)
  await supervisor.start(
    program(directory, 'it', ['/bin/true'], { restart: { initialMs: 1, maxMs: 1, resetMs: 0, maxFailures: 2 } })
  )
  await until(() => states().filter(state => state === 'CRASHED').length > 5, 'it goes on')
  t.notOk(states().includes('FAILED'))
})

await t.test('a killed program crashes with the signal, and gets a new process', async t => {
  const { supervisor, directory, changes, statusOf } = supervise(t)
  await supervisor.start(program(directory, 'it', sleeper))
  const { pid } = await until(() => (statusOf('it')?.pid ? statusOf('it') : undefined), 'it runs')
  process.kill(pid!, 'SIGKILL')
  await until(() => statusOf('it')?.pid !== pid && statusOf('it')?.state === 'RUNNING', 'it runs again')
  t.match(changes[1], { state: 'CRASHED', reason: 'killed by SIGKILL' })
})

await t.test('a program that is not there, or whose directory is not, fails', async t => {
  const { supervisor, directory, statusOf } = supervise(t)
  await supervisor.start(program(directory, 'nothing', [join(directory, 'not-there')]))
  await supervisor.start(program(directory, 'nowhere', sleeper, { cwd: join(directory, 'missing') }))
  await until(() => supervisor.status().every(({ state }) => state === 'FAILED'), 'both are given up')
  t.match(statusOf('nothing')?.reason, /exited with code 127/)
  t.match(supervisor.output('nothing').stderr, /not found/)
  t.match(statusOf('nowhere')?.reason, /cannot start: /)
})

await t.test('a stop becomes SIGKILL when SIGTERM does not help, and takes children along', async t => {
  const { supervisor, directory, changes, says, statusOf } = supervise(t)
  await supervisor.start(
    program(
      directory,
      'it',
      ['/bin/sh', '-c', `trap "" TERM; sleep 1000 & echo child $!; exec ${supervisorFixture('stubborn.sh')}`],
      { stopTimeoutMs: 50 }
    )
  )
  await says('it', 'up')
  const child = Number(/child (\d+)/.exec(supervisor.output('it').stdout)?.[1])
  const { pid } = statusOf('it')!
  await supervisor.stop('it')
  t.match(changes.at(-1), { state: 'STOPPED' })
  t.notOk(isRunning(pid!))
  await gone(child)
})

await t.test('a stop waits for what a program has to do, and it has its last words', async t => {
  const { supervisor, directory, says } = supervise(t)
  await supervisor.start(program(directory, 'it', [supervisorFixture('closing.sh')]))
  await says('it', 'up')
  await supervisor.stop('it')
  t.match(readFileSync(join(directory, 'it', 'stdout'), 'utf8'), /bye/)
})

await t.test('a program can be stopped while it waits to be started again', async t => {
  const { supervisor, directory, states, statusOf } = supervise(t)
  await supervisor.start(
    program(directory, 'it', ['/bin/false'], { restart: { initialMs: 1e8, maxMs: 1e8, resetMs: 1e8, maxFailures: 0 } })
  )
  await until(() => statusOf('it')?.state === 'CRASHED', 'it has crashed')
  await supervisor.stop('it')
  t.same(states(), ['RUNNING', 'CRASHED', 'STOPPED'])
})

await t.test('a program can be stopped while it starts', async t => {
  const { supervisor, directory, changes } = supervise(t)
  const starting = supervisor.start(program(directory, 'it', sleeper))
  const stopping = supervisor.stop('it')
  await Promise.all([starting, stopping])
  t.same(supervisor.status(), [])
  for (const { pid } of changes) if (pid) await gone(pid)
})

await t.test('a program that was given up can be stopped, and started again', async t => {
  const { supervisor, directory, statusOf } = supervise(t)
  await supervisor.start(program(directory, 'it', ['/bin/false']))
  await until(() => statusOf('it')?.state === 'FAILED', 'it is given up')
  await supervisor.stop('it')
  t.equal(statusOf('it'), undefined)
  await supervisor.start(program(directory, 'it', sleeper))
  await until(() => statusOf('it')?.state === 'RUNNING', 'it runs')
})

await t.test('of two starts of one name the later takes the place of the earlier', async t => {
  const { supervisor, directory, changes, statusOf } = supervise(t)
  await Promise.all([
    supervisor.start(program(directory, 'it', sleeper, { tag: 'first' })),
    supervisor.start(program(directory, 'it', sleeper, { tag: 'second' }))
  ])
  await until(() => statusOf('it')?.tag === 'second' && statusOf('it')?.state === 'RUNNING', 'the second runs')
  for (const { pid, tag } of changes) if (tag === 'first' && pid) await gone(pid)
  t.equal(JSON.parse(readFileSync(join(directory, 'supervisor', 'it.json'), 'utf8')).tag, 'second')
  t.equal(supervisor.status().length, 1)
})

await t.test('a program gets the environment that it is given, and nothing of ours', async t => {
  process.env.OF_OURS = 'a secret'
  t.teardown(() => {
    delete process.env.OF_OURS
  })
  const { supervisor, directory, statusOf } = supervise(t)
  const env = {
    PATH: '/usr/bin:/bin',
    A: 'a b',
    EMPTY: '',
    QUOTED: '"$HOME" \'x\' \\n',
    LINES: 'one\ntwo',
    UNICODE: 'ä😀'
  }
  await supervisor.start(program(directory, 'it', sleeper, { env }))
  const { pid } = await until(() => (statusOf('it')?.pid ? statusOf('it') : undefined), 'it runs')
  await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n', 'it has become the program')
  const {
    PWD,
    INVOCATION_ID: _,
    ...given
  } = Object.fromEntries(
    readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .filter(line => line !== '')
      .map(line => line.split(/=(.*)/s).slice(0, 2))
  )
  t.same(given, env)
})

await t.test('arguments arrive as they are', async t => {
  const { supervisor, directory, says } = supervise(t)
  const args = ['', 'a b', '$HOME', '"', "'", '`id`', '-x', 'a\nb', '*', 'ä']
  await supervisor.start(
    program(directory, 'it', [
      process.execPath,
      '-e',
      'console.log(JSON.stringify(process.argv.slice(1)), "end"); setInterval(() => {}, 1e9)',
      '--',
      ...args
    ])
  )
  await says('it', 'end')
  t.same(JSON.parse(supervisor.output('it').stdout.replace(/ end$/, '')), args)
})

await t.test('an attached program has a channel, and ends with it', async t => {
  const directory = directoryOf(t)
  const attached = new Map<string, Running>()
  const supervisor = new Supervisor(join(directory, 'supervisor'), {
    changed: () => {},
    attached: (name, running) => attached.set(name, running)
  })
  t.teardown(() => supervisor.close())
  const echo = join(supervisorFixture('..'), 'link', 'echo.cjs')
  await supervisor.start(
    program(directory, 'it', [process.execPath, echo], { kind: 'attached', env: cleanEnv as Record<string, string> })
  )
  const { channel, exited } = await until(() => attached.get('it'), 'it is attached')
  const heard: unknown[] = []
  channel!.on('message', text => {
    heard.push(text)
  })
  await until(() => heard.includes('up'), 'it speaks')
  channel!.send('hello')
  await until(() => heard.includes('echo hello'), 'it answers')
  channel!.disconnect()
  t.same(await exited, { code: 0 })
})

await t.test('a closing supervisor stops by kind and order, and starts nothing any more', async t => {
  const { supervisor, directory, changes } = supervise(t)
  for (const [name, stopOrder, kind] of [
    ['controller', 0, 'attached'],
    ['agent', 1, 'attached'],
    ['manager', 0, 'detached'],
    ['worker-1', 3, 'detached'],
    ['worker-2', 3, 'detached']
  ] as const) {
    await supervisor.start(program(directory, name, sleeper, { stopOrder, kind }))
  }
  await until(() => changes.length === 5, 'all run')
  const closing = supervisor.close()
  await t.rejects(supervisor.start(program(directory, 'late', sleeper)), { code: 'unavailable' })
  await closing
  const stopped = changes.slice(5).map(({ name }) => name)
  t.same(new Set(stopped.slice(0, 2)), new Set(['worker-1', 'worker-2']))
  t.same(stopped.slice(2), ['manager', 'agent', 'controller'])
  t.notOk(existsSync(join(directory, 'supervisor', 'manager.json')))
})
