import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { adopt, isAlive, launch, readIdentity, terminate } from '../../src/supervisor/process.js'
import { bootId } from '../../src/proc.js'
import { cleanEnv } from '../support/environment.js'
import { until } from '../support/until.js'
import { directoryOf, program } from './programs.js'

/** A program that waits, as a process of its own. */
async function run(t: Test, command = ['/bin/sleep', '1000'], directory = directoryOf(t)) {
  const pidFile = join(directory, 'it.pid')
  const running = launch({ ...program(directory, 'it', command), output: undefined as never }, pidFile, undefined)
  t.teardown(() => running.kill('SIGKILL'))
  const identity = await until(() => readIdentity(pidFile), 'it has written its file')
  return { directory, pidFile, running, identity }
}

await t.test('a launched process writes down who it is before it becomes the program', async t => {
  const { running, identity } = await run(t)
  t.match(identity, { pid: running.pid, bootId, startTime: /^[0-9]+$/ })
  t.ok(isAlive(identity))
  await until(() => readFileSync(`/proc/${running.pid}/comm`, 'utf8') === 'sleep\n', 'it has become the program')
  t.ok(isAlive(identity), 'it is still the same')
  running.kill('SIGTERM')
  t.same(await running.exited, { signal: 'SIGTERM' })
  t.notOk(isAlive(identity))
})

await t.test('a process of another boot, another start or another number is not it', async t => {
  const { identity } = await run(t)
  t.notOk(isAlive({ ...identity, bootId: 'another' }))
  t.notOk(isAlive({ ...identity, startTime: String(Number(identity.startTime) - 1) }))
  t.notOk(isAlive({ ...identity, pid: process.pid }))
  t.notOk(isAlive({ ...identity, pid: 2 ** 22 + 1 }))
  t.notOk(isAlive({ ...identity, pid: NaN }))
})

await t.test('the command of a process can hold parentheses, blanks and line ends', async t => {
  const directory = directoryOf(t)
  const path = join(directory, 'a) S 1 (b\n c')
  writeFileSync(path, '#!/bin/sh\nwhile :; do sleep 0.05; done\n', { mode: 0o755 })
  const { running, identity } = await run(t, [path], directory)
  await until(() => readFileSync(`/proc/${running.pid}/comm`, 'utf8').startsWith('a) S 1'), 'it has become the program')
  t.ok(isAlive(identity))
})

await t.test('each process has a name of its own, which its file says', async t => {
  const [one, other] = [await run(t), await run(t)]
  for (const { running, identity } of [one, other]) {
    t.match(identity.invocation, /^[0-9a-f]{32}$/)
    t.equal(identity.invocation, running.invocation)
    t.ok(
      readFileSync(`/proc/${running.pid}/environ`, 'utf8').split('\0').includes(`INVOCATION_ID=${running.invocation}`)
    )
    t.equal(adopt(identity, 'detached').invocation, running.invocation)
  }
  t.not(one.running.invocation, other.running.invocation)
})

await t.test('a file of an earlier version, without that name, is understood', async t => {
  const pidFile = join(directoryOf(t), 'it.pid')
  writeFileSync(pidFile, `12\n${readFileSync('/proc/self/stat', 'utf8').trim()}\n${bootId}\n`)
  t.match(readIdentity(pidFile), { pid: 12, bootId, invocation: '' })
})

await t.test('a zombie is not alive', async t => {
  // Its parent becomes a program that never asks how it ended.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 1000'], {
    env: cleanEnv,
    stdio: ['ignore', 'pipe', 'ignore']
  })
  t.teardown(() => parent.kill('SIGKILL'))
  const [text] = await once(parent.stdout, 'data')
  const pid = Number(text)
  const stat = () => readFileSync(`/proc/${pid}/stat`, 'utf8')
  await until(() => stat().includes(') Z '), 'it is a zombie')
  t.notOk(isAlive({ pid, startTime: stat().split(' ')[21]!, bootId, invocation: '' }))
})

await t.test('a file that is not whole says nothing', async t => {
  const pidFile = join(directoryOf(t), 'it.pid')
  t.equal(readIdentity(pidFile), undefined)
  for (const text of ['', '12', '12\n', '12\n12 (sh) S 1', '12\n12 (sh) S 1\n']) {
    writeFileSync(pidFile, text)
    t.equal(readIdentity(pidFile), undefined, JSON.stringify(text))
  }
})

await t.test('an adopted process is seen to end, and can be ended', async t => {
  const { running, identity } = await run(t)
  const adopted = adopt(identity, 'detached')
  t.equal(adopted.pid, running.pid)
  await terminate(adopted, 10_000)
  t.same(await running.exited, { signal: 'SIGTERM' })
  t.same(await adopted.exited, {})
  adopted.kill('SIGKILL')
})

await t.test('what cannot be started exits with the reason', async t => {
  const directory = directoryOf(t)
  const start = (more: object, command = ['/bin/true']) =>
    launch({ ...program(directory, 'it', command), ...more }, join(directory, 'it.pid'), undefined).exited
  t.match(await start({ cwd: join(directory, 'nowhere') }), { error: /^cannot start: / })
  t.match(await start({}, ['a\0b']), { error: /^cannot start: / })
  t.match(await start({ cwd: directory }, [join(directory, 'nothing')]), { code: 127 })
  t.match(await start({}, ['/etc/passwd']), { code: 126 })
})
