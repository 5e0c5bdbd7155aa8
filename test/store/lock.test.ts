import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lockDirectory } from '../../src/store/lock.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, fixture } from '../support/environment.js'
import { isRunning } from '../support/running.js'

/** Another user, where there can be one. */
const other = { uid: 65534, gid: 65534 }
const skip = process.getuid!() === 0 ? false : 'only root can be another user'

/** A process of its own, and the first line that it prints; killed at the end. */
async function run(t: Test, args: string[], user: { uid?: number; gid?: number } = {}) {
  const child = spawn(process.execPath, args, { ...user, env: cleanEnv, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  return { child, said: String(line).trim() }
}

/**
 * A process that tries to have the lock: it says why it has not, or the number of the child that it has left behind.
 */
async function hold(t: Test, directory: string) {
  const { child, said } = await run(t, [fixture('store', 'lock.mjs'), directory])
  const left = /^\d+$/.test(said) ? Number(said) : undefined
  if (left !== undefined) t.teardown(() => process.kill(left, 'SIGKILL'))
  return { child, said, left }
}

await t.test('a directory is locked once, by whatever name', async t => {
  const directory = join(directoryOf(t), 'a', 'b')
  const lock = lockDirectory(directory, 'held')
  t.throws(() => lockDirectory(directory, 'held'), { code: 'unavailable', message: 'held' })
  const alias = join(directory, '..', 'alias')
  symlinkSync(directory, alias)
  t.throws(() => lockDirectory(alias, 'held'), { message: 'held' })
  const another = lockDirectory(join(directory, 'c'), 'held')
  lock.close()
  lockDirectory(directory, 'held').close()
  another.close()
})

await t.test('a try that fails does not cost the holder its lock', async t => {
  const directory = directoryOf(t)
  const lock = lockDirectory(directory, 'held')
  t.throws(() => lockDirectory(directory, 'held'), { message: 'held' })
  t.equal((await hold(t, directory)).said, 'held')
  lock.close()
})

await t.test('of many that try at once exactly one has the lock', async t => {
  const directory = directoryOf(t)
  const said = (await Promise.all(Array.from({ length: 6 }, () => hold(t, directory)))).map(({ said }) => said)
  t.equal(said.filter(line => line === 'held').length, 5, said.join(', '))
})

await t.test('a lock is free at once when its holder is killed, although a child of it lives', async t => {
  const directory = directoryOf(t)
  const { child, left } = await hold(t, directory)
  t.throws(() => lockDirectory(directory, 'held'), { message: 'held' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  lockDirectory(directory, 'held').close()
  t.ok(isRunning(left!))
})

await t.test('another user can neither hold a lock nor read its file', { skip }, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'zeek-cluster-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  chmodSync(directory, 0o755)
  const { dev, ino } = statSync(directory)
  // A name that everybody may take.
  const abstract = `require('net').createServer().listen('\\0zeek-cluster-${dev}-${ino}', () => console.log('listens'))`
  t.equal((await run(t, ['-e', abstract], other)).said, 'listens')
  const lock = lockDirectory(directory, 'held')
  t.same(readdirSync(directory), ['.lock'])
  const open = `try { require('fs').openSync(${JSON.stringify(join(directory, '.lock'))}) } catch (error) { console.log(error.code) }`
  t.equal((await run(t, ['-e', open], other)).said, 'EACCES')
  lock.close()
})

await t.test('a lock file that cannot be used is named, with the reason', async t => {
  const directory = directoryOf(t)
  const path = join(directory, '.lock')
  writeFileSync(path, 'what is no database, and long enough to be taken for one'.repeat(20))
  t.throws(() => lockDirectory(directory, 'held'), {
    code: 'unavailable',
    message: `${path} cannot be locked: file is not a database`
  })
  rmSync(path)
  mkdirSync(path)
  t.throws(() => lockDirectory(directory, 'held'), {
    code: 'unavailable',
    message: new RegExp(`^${path} cannot be locked: .*unable to open database file$`)
  })
})
