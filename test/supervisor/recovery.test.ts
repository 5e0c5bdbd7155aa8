import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bootId } from '../../src/proc.js'
import { cleanEnv } from '../support/environment.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { directoryOf, supervisorFixture, gone, program, startHost, supervise } from './programs.js'

await t.test('what outlives a killed supervisor is taken over by the next, the same process', async t => {
  const directory = directoryOf(t)
  const it = program(directory, 'it', [supervisorFixture('closing.sh')], { tag: 'v7' })
  const host = await startHost(t, directory, [it])
  const pid = host.pidOf('it')
  await host.kill()
  const { supervisor, changes, statusOf, says } = supervise(t, directory)
  await supervisor.recover()
  t.match(statusOf('it'), { pid, tag: 'v7', state: 'RUNNING', reason: 'adopted', kind: 'detached' })
  t.ok(isRunning(pid))
  process.kill(pid, 'SIGKILL')
  await until(() => statusOf('it')?.state === 'RUNNING' && statusOf('it')?.pid !== pid, 'it was started again')
  t.match(
    changes.map(({ state, reason }) => [state, reason]),
    [
      ['RUNNING', 'adopted'],
      ['CRASHED', 'exited'],
      ['RUNNING', 'started']
    ]
  )
  await says('it', 'up')
})

await t.test('what was adopted is stopped like any other, with SIGKILL where it must be', async t => {
  const directory = directoryOf(t)
  const host = await startHost(t, directory, [
    program(directory, 'it', [supervisorFixture('stubborn.sh')], { stopTimeoutMs: 100 })
  ])
  await host.kill()
  const { supervisor, says } = supervise(t, directory)
  await supervisor.recover()
  await says('it', 'up')
  await supervisor.stop('it')
  await gone(host.pidOf('it'))
  t.same(supervisor.status(), [])
  t.notOk(existsSync(join(directory, 'supervisor', 'it.json')))
})

await t.test('what is detached stays where a supervisor says so, and is taken over by the next', async t => {
  const directory = directoryOf(t)
  const { supervisor } = supervise(t, directory)
  await supervisor.start(program(directory, 'it', ['/bin/sleep', '1000'], { origin: { files: ['a'] } }))
  await supervisor.start(program(directory, 'attached', ['/bin/sleep', '1000'], { kind: 'attached' }))
  const [pid, attached] = supervisor.status().map(({ pid }) => pid!)
  await supervisor.close({ detachedStay: true })
  t.ok(isRunning(pid!))
  t.notOk(isRunning(attached!))
  const next = supervise(t, directory)
  await next.supervisor.recover()
  t.match(next.supervisor.status(), [{ name: 'it', pid, reason: 'adopted', origin: { files: ['a'] } }])
})

await t.test('what is attached to a killed supervisor is ended by the next', async t => {
  const directory = directoryOf(t)
  // It does not heed the end of its channel, but SIGTERM.
  const host = await startHost(t, directory, [program(directory, 'it', ['/bin/sleep', '1000'], { kind: 'attached' })])
  await host.kill()
  t.ok(isRunning(host.pidOf('it')))
  const { supervisor } = supervise(t, directory)
  await supervisor.recover()
  await gone(host.pidOf('it'))
  t.same(supervisor.status(), [])
})

/** A record of a program, and a file that says that it is this process. */
function leave(t: Test, identity: { pid: number; startTime: string; boot: string } | string) {
  const directory = directoryOf(t)
  mkdirSync(join(directory, 'supervisor'))
  writeFileSync(
    join(directory, 'supervisor', 'it.json'),
    JSON.stringify(program(directory, 'it', ['/bin/sleep', '1000']))
  )
  const text =
    typeof identity === 'string'
      ? identity
      : `${identity.pid}\n${identity.pid} (sh) S ${'0 '.repeat(18)}${identity.startTime} 0\n${identity.boot}\n`
  writeFileSync(join(directory, 'supervisor', 'it.pid'), text)
  return directory
}

await t.test('a file that is of another process, another boot, or nobody is not believed', async t => {
  const other = spawn('/bin/sleep', ['1000'], { env: cleanEnv })
  t.teardown(() => other.kill())
  const startTime = readFileSync(`/proc/${other.pid}/stat`, 'utf8').split(' ')[21]!
  const cases = {
    'of another boot': { pid: other.pid!, startTime, boot: 'another' },
    'of a number that is used again': { pid: other.pid!, startTime: '1', boot: bootId },
    'of nobody': { pid: 2 ** 22 + 1, startTime, boot: bootId }
  }
  for (const [name, identity] of Object.entries(cases)) {
    await t.test(`one ${name}`, async t => {
      const { supervisor, directory } = supervise(t, leave(t, identity))
      await supervisor.recover()
      t.same(supervisor.status(), [])
      t.ok(isRunning(other.pid!))
      t.notOk(existsSync(join(directory, 'supervisor', 'it.json')), 'it is forgotten')
    })
  }
  await t.test('but the right one is', async t => {
    const { supervisor, statusOf } = supervise(t, leave(t, { pid: other.pid!, startTime, boot: bootId }))
    await supervisor.recover()
    t.equal(statusOf('it')?.pid, other.pid)
  })
})

await t.test('a program that has not yet written who it is gets the time to do it', async t => {
  const directory = leave(t, '')
  const other = spawn('/bin/sleep', ['1000'], { env: cleanEnv })
  t.teardown(() => other.kill())
  const { supervisor, statusOf } = supervise(t, directory)
  const recovering = supervisor.recover()
  writeFileSync(
    join(directory, 'supervisor', 'it.pid'),
    `${other.pid}\n${readFileSync(`/proc/${other.pid}/stat`, 'utf8')}${bootId}\n`
  )
  await recovering
  t.equal(statusOf('it')?.pid, other.pid)
})
