import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  backoff,
  compare,
  defined,
  groupBy,
  hostPort,
  isLoopback,
  packageRoot,
  packageVersion,
  Sequence,
  timeOrderedId,
  writeFileAtomically
} from '../src/util.js'
import { bootId } from '../src/proc.js'

await t.test('the package knows where and what it is, and the machine when it was started', async t => {
  t.ok(existsSync(join(packageRoot, 'package.json')))
  t.match(packageVersion, /^\d+\.\d+\.\d+/)
  t.match(bootId, /^[0-9a-f-]{36}$/)
})

await t.test('a file is written whole, for us alone, also in a directory that is not there yet', async t => {
  const path = join(t.testdir(), 'a', 'b', 'file')
  await writeFileAtomically(path, 'one')
  await writeFileAtomically(path, 'ä\u0000')
  t.equal(readFileSync(path, 'utf8'), 'ä\u0000')
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.same(readdirSync(join(path, '..')), ['file'], 'nothing is left beside it')
})

await t.test('a file is given away itself, and not what is in its place', async t => {
  const directory = t.testdir({ secret: 'x', file: t.fixture('symlink', 'secret') })
  const [path, secret] = [join(directory, 'file'), join(directory, 'secret')]
  chmodSync(secret, 0o600)
  const { uid, gid } = statSync(secret)
  await writeFileAtomically(path, 'y', { uid, gid, mode: 0o644 })
  t.equal(lstatSync(path).mode & 0o777, 0o644)
  t.match(lstatSync(path), { uid, gid })
  t.equal(statSync(secret).mode & 0o777, 0o600)
  t.equal(readFileSync(secret, 'utf8'), 'x')
})

await t.test('of many writers at once one wins, whole', async t => {
  const path = join(t.testdir(), 'file')
  const texts = Array.from({ length: 20 }, (_, n) => String(n).repeat(10_000))
  await Promise.all(texts.map(text => writeFileAtomically(path, text)))
  t.ok(texts.includes(readFileSync(path, 'utf8')))
  t.equal(readdirSync(join(path, '..')).length, 1)
})

await t.test('a file that cannot be written leaves the old one and nothing else', async t => {
  const directory = t.testdir({ file: {}, other: 'old' })
  await t.rejects(writeFileAtomically(join(directory, 'file'), 'x'), { code: 'EISDIR' })
  await t.rejects(writeFileAtomically(join(directory, 'other', 'x'), 'x'))
  t.same(readdirSync(directory).sort(), ['file', 'other'])
  t.equal(readFileSync(join(directory, 'other'), 'utf8'), 'old')
})

await t.test('a delay doubles up to its most', async t => {
  t.same(
    [0, 1, 2, 3, 4, 5, 5000].map(attempt => backoff(attempt, 100, 1000)),
    [100, 100, 200, 400, 800, 1000, 1000]
  )
})

await t.test('addresses of this machine alone are told from others', async t => {
  for (const address of ['127.0.0.1', '127.255.0.9', '::1', 'localhost', '::ffff:127.0.0.1']) {
    t.ok(isLoopback(address), address)
  }
  for (const address of [
    '10.0.0.1',
    '0.0.0.0',
    '::',
    '::2',
    '128.0.0.1',
    '127.0.0.1.example.com',
    '',
    '::ffff:10.0.0.1'
  ]) {
    t.notOk(isLoopback(address), address)
  }
})

await t.test('a host has brackets where it needs them', async t => {
  t.same(
    [hostPort('10.0.0.1', 1), hostPort('fd00::1', 2), hostPort('host', 3)],
    ['10.0.0.1:1', '[fd00::1]:2', 'host:3']
  )
})

await t.test('groups are in the order of their first items', async t => {
  t.same(
    [...groupBy([3, 1, 5, 2, 4], n => (n % 2 ? 'odd' : 'even'))],
    [
      ['odd', [3, 1, 5]],
      ['even', [2, 4]]
    ]
  )
})

await t.test('texts are sorted by code units', async t => {
  t.same(['b', 'a10', 'B', 'a2', 'ä', ''].sort(compare), ['', 'B', 'a10', 'a2', 'b', 'ä'])
  t.equal(compare('a', 'a'), 0)
})

await t.test('a sequence runs one job at a time, in order, also after one that fails', async t => {
  const sequence = new Sequence()
  const log: string[] = []
  const job = (name: string, fails = false) =>
    sequence.run(async () => {
      log.push(`${name} begins`)
      await new Promise(resolve => setTimeout(resolve, name === 'a' ? 10 : 1))
      log.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    })
  t.match(await Promise.allSettled([job('a'), job('b', true), job('c')]), [
    { value: 'a' },
    { reason: { message: 'b' } },
    { value: 'c' }
  ])
  t.same(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

await t.test('a time-ordered ID is a UUID of version 7, sorts by its time, and is not made twice', async t => {
  const ids = [0, 1, 1_700_000_000_000, Date.now(), 2 ** 47].map(now => timeOrderedId(now))
  for (const id of ids) t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.same([...ids].sort(), ids)
  t.equal(Number.parseInt(ids[2]!.replace('-', '').slice(0, 12), 16), 1_700_000_000_000)
  t.equal(new Set(Array.from({ length: 1000 }, () => timeOrderedId(5))).size, 1000)
})

await t.test('members that are undefined are left out, and no others', async t => {
  const some: { a: number; b?: string; c: string | undefined } = { a: 0, b: '', c: undefined }
  const kept: { a: number; b?: string; c?: string } = defined(some)
  t.strictSame(Object.entries(kept), [
    ['a', 0],
    ['b', '']
  ])
  t.strictSame(Object.entries(defined({ z: null, a: false, n: NaN })).flat(), ['z', null, 'a', false, 'n', NaN])
  t.strictSame(defined({ a: undefined }), {})
})
