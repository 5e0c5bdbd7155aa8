import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { lockDirectory } from '../../src/supervisor/lock.js'
import { cleanEnv } from '../support/environment.js'
import { directoryOf, supervisorFixture } from './programs.js'

await t.test('a directory is locked once, by whatever name', async t => {
  const directory = join(directoryOf(t), 'a', 'b')
  const lock = await lockDirectory(directory)
  await t.rejects(lockDirectory(directory), {
    code: 'unavailable',
    message: `another zeek-cluster runs with the state directory ${directory}`
  })
  const alias = join(directory, '..', 'alias')
  symlinkSync(directory, alias)
  await t.rejects(lockDirectory(alias), { code: 'unavailable' })
  const other = await lockDirectory(join(directory, 'c'))
  await Promise.all([lock, other].map(server => once(server.close(), 'close')))
  const again = await lockDirectory(directory)
  again.close()
})

await t.test('a lock is free again when its holder is killed', async t => {
  const directory = directoryOf(t)
  const holder = spawn(process.execPath, [supervisorFixture('lock.mjs'), directory], {
    env: cleanEnv,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await once(holder.stdout, 'data')
  await t.rejects(lockDirectory(directory), { code: 'unavailable' })
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const lock = await lockDirectory(directory)
  lock.close()
})
