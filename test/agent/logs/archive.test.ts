import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { archive } from '../../../src/agent/logs/archive.js'
import { lockDirectory } from '../../../src/store/lock.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv, mainProgram } from '../../support/environment.js'
import { until } from '../../support/until.js'

const nameOf = (path = 'conn', extra = '') => `${path}__2026-11-22-14-48-56__2026-11-22-14-49-00__${extra}.log`
const placeOf = (path = 'conn', extra = '') => `2026-11-22/${path}.14:48:56-14:49:00${extra}.log.gz`

function directories(t: Test, logs: Record<string, string | Buffer> = {}) {
  const root = directoryOf(t)
  const [queue, logsDirectory] = [join(root, 'queue'), join(root, 'logs')]
  mkdirSync(queue)
  for (const [name, content] of Object.entries(logs)) writeFileSync(join(queue, name), content)
  const files = () =>
    existsSync(logsDirectory)
      ? readdirSync(logsDirectory, { recursive: true, withFileTypes: true })
          .filter(file => file.isFile())
          .map(file => join(file.parentPath, file.name).slice(logsDirectory.length + 1))
          .sort()
      : []
  return {
    queue,
    /** What is in the queue, but for its lock. */
    queued: () =>
      readdirSync(queue)
        .filter(name => name !== '.lock')
        .sort(),
    logs: logsDirectory,
    files,
    read: (place: string) => gunzipSync(readFileSync(join(logsDirectory, place))).toString()
  }
}

await t.test('logs are moved into the archive, compressed', async t => {
  const { queue, queued, logs, files, read } = directories(t, {
    [nameOf()]: 'a\tb\n',
    [nameOf('dns', 'log_suffix=logger-2__')]: '',
    [`${nameOf('http')}.gz`]: gzipSync('old')
  })
  t.same(await archive(queue, logs), { archived: 3, errors: [] })
  t.same(files(), [placeOf(), placeOf('dns', '-logger-2'), placeOf('http')])
  t.equal(read(placeOf()), 'a\tb\n')
  t.equal(read(placeOf('dns', '-logger-2')), '')
  t.equal(read(placeOf('http')), 'old', 'what is compressed is not compressed again')
  t.same(queued(), [])
})

await t.test('what is no rotated log stays where it is', async t => {
  const { queue, queued, logs, files } = directories(t, {
    'conn.log': 'open',
    '.shadow.conn.log': '',
    'notes.txt': 'mine'
  })
  mkdirSync(join(queue, nameOf('directory')))
  symlinkSync('notes.txt', join(queue, nameOf('link')))
  const before = queued()
  t.same(await archive(queue, logs), { archived: 0, errors: [] })
  t.same(queued(), before)
  t.same(files(), [])
})

await t.test('without a queue there is nothing to do, and none is made', async t => {
  const { queue, logs } = directories(t)
  t.same(await archive(`${queue}-2`, logs), { archived: 0, errors: [] })
  t.notOk(existsSync(`${queue}-2`))
})

await t.test('a log of the same name as an archived one is kept beside it', async t => {
  const { queue, logs, files, read } = directories(t)
  for (const content of ['first', 'second', 'third']) {
    writeFileSync(join(queue, nameOf()), content)
    t.same(await archive(queue, logs), { archived: 1, errors: [] })
  }
  t.same(files(), [placeOf('conn', '-2'), placeOf('conn', '-3'), placeOf()])
  t.same(files().map(read), ['second', 'third', 'first'])
})

await t.test('a log that was archived, and not yet taken from the queue, is not archived twice', async t => {
  const { queue, logs, files, read } = directories(t, { [nameOf()]: 'one' })
  await archive(queue, logs)
  writeFileSync(join(queue, nameOf()), 'one')
  t.same(await archive(queue, logs), { archived: 1, errors: [] })
  t.same(files(), [placeOf()])
  t.equal(read(placeOf()), 'one')
})

await t.test('a target that is no whole gzip file stays, and the log beside it', async t => {
  const { queue, logs, files, read } = directories(t, { [nameOf()]: 'one' })
  mkdirSync(join(logs, '2026-11-22'), { recursive: true })
  writeFileSync(join(logs, placeOf()), 'broken')
  t.same(await archive(queue, logs), { archived: 1, errors: [] })
  t.same(files(), [placeOf('conn', '-2'), placeOf()])
  t.equal(read(placeOf('conn', '-2')), 'one')
})

await t.test('what cannot be archived is told, stays in the queue, and does not keep the others', async t => {
  const { queue, queued, logs, files } = directories(t, {
    [nameOf()]: 'one',
    'dns__2026-11-23-00-00-00__2026-11-23-01-00-00__.log': 'two'
  })
  mkdirSync(logs)
  writeFileSync(join(logs, '2026-11-22'), 'a file where a directory is to be')
  const { archived, errors } = await archive(queue, logs)
  t.equal(archived, 1)
  t.match(errors, [/^conn__.*\.log: .*(EEXIST|ENOTDIR)/])
  t.same(queued(), [nameOf()])
  t.same(files(), ['2026-11-22', '2026-11-23/dns.00:00:00-01:00:00.log.gz'])
})

await t.test('two do not work on one queue', async t => {
  const { queue, logs } = directories(t, { [nameOf()]: 'one' })
  const lock = lockDirectory(queue, 'nobody has it yet')
  await t.rejects(archive(queue, logs), { message: `another one archives ${queue}` })
  lock.close()
  t.match(await archive(queue, logs), { archived: 1 })
})

await t.test('a queue that is none is told', async t => {
  const { queue, logs } = directories(t, { file: '' })
  await t.rejects(archive(join(queue, 'file'), logs), /EEXIST|ENOTDIR/)
})

await t.test('on a full disk the logs stay in the queue, and nothing half in the archive', async t => {
  const small = join(directoryOf(t), 'small')
  mkdirSync(small)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small]).status !== 0) {
    t.pass('a file system cannot be mounted here')
    return
  }
  t.teardown(() => spawnSync('umount', ['-l', small]))
  const { queue, queued } = directories(t, {
    [nameOf('a')]: 'small',
    [nameOf('b')]: randomBytes(1 << 20),
    [nameOf('c')]: 'small'
  })
  const { archived, errors } = await archive(queue, small)
  t.equal(archived, 1)
  t.match(errors, [/^b__.*ENOSPC/])
  t.same(readdirSync(join(small, '2026-11-22')), ['a.14:48:56-14:49:00.log.gz'])
  t.same(queued(), [nameOf('b'), nameOf('c')])
  t.equal(statSync(join(queue, nameOf('b'))).size, 1 << 20)
  writeFileSync(join(queue, nameOf('b')), 'smaller')
  t.same(
    await archive(queue, small),
    { archived: 2, errors: [] },
    'another file system than that of the queue is no matter'
  )
})

const run = (...args: string[]) =>
  spawnSync(process.execPath, [mainProgram, 'archive', ...args], { env: cleanEnv, encoding: 'utf8' })

await t.test('the command takes what zeek-archiver takes of an agent', async t => {
  const { queue, logs, files } = directories(t, { [nameOf()]: 'one' })
  t.match(run('-1', queue, logs), { status: 0, stdout: 'archived 1 logs\n', stderr: '' })
  t.same(files(), [placeOf()])
  for (const [args, refusal] of [
    [[], /option '-1'/],
    [['-1'], /argument 'queue'/],
    [['-1', queue], /argument 'directory'/],
    [[queue, logs], /option '-1'/],
    [['-1', queue, logs, 'more'], /too many arguments/]
  ] as const) {
    t.match(run(...args), { status: 2, stderr: refusal })
  }
  writeFileSync(join(queue, nameOf('dns')), 'two')
  t.match(run('-1', queue, join(logs, placeOf())), { status: 1, stderr: /^dns__.*ENOTDIR/ })
})

await t.test('killed at any point and begun again it loses nothing and doubles nothing', async t => {
  // Each takes a moment to compress, so that kills fall into all of it.
  const content = Array.from({ length: 12 }, () => randomBytes(3 << 20))
  const { queue, queued, logs, files } = directories(
    t,
    Object.fromEntries(content.map((bytes, n) => [nameOf(`log${n}`), bytes]))
  )
  let kills = 0
  while (queued().length > 0) {
    const before = queued().length
    const child = spawn(process.execPath, [mainProgram, 'archive', '-1', queue, logs], {
      env: cleanEnv,
      stdio: 'ignore'
    })
    const exited = once(child, 'exit')
    // In the middle of a log: the one before it is done, or it has begun.
    await until(
      () =>
        child.exitCode !== null ||
        queued().length < before ||
        (kills % 2 === 0 && files().some(file => file.includes('.tmp.'))),
      'it has begun',
      60_000
    )
    if (child.exitCode === null && kills < 10) {
      child.kill('SIGKILL')
      kills++
    }
    await exited
  }
  t.ok(kills >= 5, `${kills} kills`)
  t.same(files(), content.map((_, n) => placeOf(`log${n}`)).sort())
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  content.forEach((bytes, n) =>
    t.equal(digest(gunzipSync(readFileSync(join(logs, placeOf(`log${n}`))))), digest(bytes))
  )
})
