import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { basicEnv, directoryOf, supervisorFixture, gone, program, startHost, supervise } from './programs.js'

await t.test('what is attached to a killed supervisor and ignores SIGTERM is killed by the next', async t => {
  const directory = directoryOf(t)
  const host = await startHost(t, directory, [
    program(directory, 'it', [supervisorFixture('stubborn.sh')], { kind: 'attached', stopTimeoutMs: 100 })
  ])
  const pid = host.pidOf('it')
  t.teardown(() => isRunning(pid) && process.kill(pid, 'SIGKILL'))
  await until(() => readFileSync(join(directory, 'it', 'stdout'), 'utf8').includes('up'), 'it is up')
  await host.kill()
  const { supervisor } = supervise(t, directory)
  const ended = await Promise.race([
    supervisor.recover().then(() => 'ended'),
    new Promise(resolve => setTimeout(resolve, 3000, 'hangs'))
  ])
  t.equal(ended, 'ended')
  if (ended === 'ended') await gone(pid)
})

await t.test('a program starts whatever the PATH in its environment', async t => {
  const { supervisor, directory } = supervise(t)
  await supervisor.start(program(directory, 'it', ['/bin/sh', '-c', 'echo up; read x'], { env: { PATH: '/nowhere' } }))
  await until(() => supervisor.output('it').stdout || supervisor.output('it').stderr, 'it says something')
  t.equal(supervisor.output('it').stderr, '')
  t.match(supervisor.output('it').stdout, /up/)
})

await t.test('the environment of a program is exactly what is given, and its invocation', async t => {
  const { supervisor, directory, statusOf } = supervise(t)
  await supervisor.start(program(directory, 'it', ['/bin/sleep', '1000'], { env: { ...basicEnv, WITH_DIGIT_1: 'x' } }))
  const { pid, invocation } = await until(() => (statusOf('it')?.pid ? statusOf('it') : undefined), 'it runs')
  await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n', 'it has become the program')
  t.same(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean).sort(), [
    `INVOCATION_ID=${invocation}`,
    `PATH=${basicEnv.PATH}`,
    'WITH_DIGIT_1=x'
  ])
})

await t.test('a damaged record of one program does not keep the others from being taken over', async t => {
  const directory = directoryOf(t)
  const host = await startHost(t, directory, [program(directory, 'it', ['/bin/sleep', '1000'])])
  await host.kill()
  writeFileSync(join(directory, 'supervisor', 'damaged.json'), '')
  const { supervisor, statusOf } = supervise(t, directory)
  t.teardown(() => isRunning(host.pidOf('it')) && process.kill(host.pidOf('it'), 'SIGKILL'))
  await t.resolves(supervisor.recover())
  t.equal(statusOf('it')?.pid, host.pidOf('it'))
})

await t.test('what could not be started is not said to run, and the reason names what is missing', async t => {
  const { supervisor, directory, changes, statusOf } = supervise(t)
  await supervisor.start(program(directory, 'it', ['/bin/true'], { cwd: join(directory, 'missing') }))
  await until(() => statusOf('it')?.state === 'FAILED', 'it is given up')
  t.same(
    changes.filter(({ state, pid }) => state === 'RUNNING' && pid === 0),
    []
  )
  t.match(statusOf('it')?.reason, /missing/)
})

await t.test('a start that a closing supervisor refuses leaves no record', async t => {
  const { supervisor, directory } = supervise(t)
  const starting = supervisor.start(program(directory, 'it', ['/bin/true']))
  await Promise.resolve()
  await Promise.resolve()
  await supervisor.close()
  await t.rejects(starting, { code: 'unavailable' })
  t.notOk(existsSync(join(directory, 'supervisor', 'it.json')))
})
