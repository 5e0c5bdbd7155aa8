import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { pino } from 'pino'
import t from 'tap'
import { EventLog } from '../../src/store/events.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { packageRoot } from '../../src/util.js'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv } from '../support/environment.js'
import { silent } from '../support/log.js'
import { databaseIn, openLog, openStore } from './open.js'

/** As an operator does who knows how. */
function backUp(path: string): string {
  const database = new DatabaseSync(path)
  database.exec(`VACUUM INTO '${path}.backup'`)
  database.close()
  return `${path}.backup`
}

function restore(path: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true })
  copyFileSync(`${path}.backup`, path)
}

const epochOf = async (...args: Parameters<typeof openLog>) => {
  const { log, close } = await openLog(...args)
  close()
  return log.epoch
}

for (const isKilled of [true, false]) {
  await t.test(
    `a restored backup is noticed at start, after ${isKilled ? 'a kill' : 'a clean end'}, by a single event that it lacks`,
    async t => {
      const { log, append, close, path, directory } = await openLog(t)
      await append('a')
      backUp(path)
      await append('b')
      if (!isKilled) await log.close()
      close()
      restore(path)
      const restored = await openLog(t, directory)
      t.not(restored.log.epoch, log.epoch)
      t.match(restored.log.distrust, /backup/)
      t.same(restored.messages(), ['a'])
      restored.close()
      t.equal(await epochOf(t, directory), restored.log.epoch, 'once')
    }
  )
}

await t.test('a backup that lacks nothing goes on as the log that it is of', async t => {
  const { log, append, close, path, directory } = await openLog(t)
  await append('a')
  backUp(path)
  close()
  restore(path)
  t.equal(await epochOf(t, directory), log.epoch)
})

await t.test('a backup of before the last epoch is another log, however far it was', async t => {
  const { log, append, close, path, directory } = await openLog(t)
  for (let n = 0; n < 5; n++) await append('a')
  close()
  backUp(path)
  rmSync(`${path}.mark`)
  const next = await epochOf(t, directory)
  restore(path)
  const epochs = [log.epoch, next, await epochOf(t, directory)]
  t.equal(new Set(epochs).size, 3)
})

for (const [how, spoil] of [
  ['missing', path => rmSync(path)],
  ['empty', path => writeFileSync(path, '')],
  ['cut', path => writeFileSync(path, readFileSync(path, 'utf8').slice(0, 20))],
  ['of something else', path => writeFileSync(path, Buffer.alloc(500, 7))]
] as [string, (path: string) => void][]) {
  await t.test(`a mark that is ${how} says nothing, so that the log starts anew, once`, async t => {
    const { log, append, close, path, directory } = await openLog(t)
    await append('a')
    close()
    spoil(`${path}.mark`)
    const next = await epochOf(t, directory)
    t.not(next, log.epoch)
    t.equal(await epochOf(t, directory), next)
  })
}

await t.test('a killed process never leaves a mark that is ahead of what it has committed', async t => {
  const directory = t.testdir()
  const path = databaseIn(directory)
  const epoch = await epochOf(t, directory)
  const module = (name: string) => JSON.stringify(join(packageRoot, 'dist', 'src', 'store', name))
  const program = `
    import { EventLog } from ${module('events.js')}
    import { Store } from ${module('store.js')}
    const store = new Store(process.argv[1])
    const log = new EventLog(store)
    await log.open()
    for (let n = 1; ; n++) {
      log.advance(await store.write('written', () => log.append({ type: 'notify_error', message: 'm' }, 0, 1)))
      if (n === 20) console.log('under way')
    }`
  for (let kills = 1; kills <= 3; kills++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], {
      env: cleanEnv,
      stdio: ['ignore', 'pipe', 'inherit']
    })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { log, close } = await openLog(t, directory)
    t.same([log.epoch, log.distrust], [epoch, undefined])
    t.ok(log.head >= 20 * kills)
    close()
  }
  t.equal(statSync(`${path}.mark`).mode & 0o777, 0o600)
})

await t.test('the two logs of a database are marked apart, and who only appends marks nothing', async t => {
  const directory = directoryOf(t)
  const { store, path } = openStore(t, directory)
  const [events, audit] = [new EventLog(store), new EventLog(store, 'audit')]
  t.notOk(existsSync(`${path}.mark`))
  await audit.open()
  await events.open()
  events.advance(await store.write('written', () => events.append({ type: 'notify_error', message: 'm' }, 0, 1)))
  const lines = () =>
    readFileSync(`${path}.mark`, 'utf8')
      .split('\n')
      .map(line => line.trim())
  const expected = [`events ${events.epoch} 1`, `audit ${audit.epoch} 0`, '']
  t.same(lines(), expected)
  await tokenCommand(['create'], { role: 'viewer' }, join(directory, 'state'))
  t.same(lines(), expected)
  store.mark!.write('audit', { epoch: audit.epoch, seq: 7 })
  t.same(
    [
      new EventLog(openStore(t, directory).store).distrust,
      new EventLog(openStore(t, directory).store, 'audit').distrust !== undefined
    ],
    [undefined, true]
  )
})

await t.test('who was away while a backup was restored is told so, and the log says why', async t => {
  const directory = directoryOf(t)
  const path = join(directory, 'controller.sqlite')
  const first = await startTestController(t, { 'management-state-dir': directory })
  await first.ask('get_configuration')
  backUp(path)
  const { event_cursor: cursor } = await first.ask('get_configuration')
  await first.close()
  restore(path)
  const told: string[] = []
  const log = pino(
    { level: 'warn' },
    {
      write: line => {
        told.push(JSON.parse(line).msg)
      }
    }
  )
  const second = await startTestController(t, { 'management-state-dir': directory }, { log })
  t.ok(
    told.includes('streams of events start anew (reset): it is not as far as it was, as a backup is that was restored'),
    String(told)
  )
  // As many events as there were, so that the number alone would be good.
  for (let n = 0; n < 3; n++) await second.ask('get_configuration')
  const stream = await openStream(t, `${second.url}/v1/events`, { 'last-event-id': cursor })
  t.match((await stream.next('reset'))?.json, { reason: 'epoch' })
  await second.close()
  const third = await startTestController(t, { 'management-state-dir': directory }, { log: silent })
  t.equal(third.controller.cursor.split('.')[0], second.controller.cursor.split('.')[0])
})
