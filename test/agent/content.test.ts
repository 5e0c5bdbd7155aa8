import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Content, type BundleSource } from '../../src/agent/content.js'
import { idOf } from '../../src/bundles/manifest.js'
import { chunkBytes, type PackedFile } from '../../src/bundles/pack.js'
import { directoryOf } from '../support/directory.js'

/** A bundle, and a source of it that notes which chunks are asked for. */
function bundleOf(contents: Record<string, string | Buffer>) {
  const bodies = Object.entries(contents).map(([path, content]) => ({ path, body: Buffer.from(content) }))
  let offset = 0
  const files = bodies.map(({ path, body }): PackedFile => {
    const sha256 = createHash('sha256').update(body).digest('hex')
    const file = { path, executable: path.endsWith('.sh'), size: body.length, sha256, offset }
    offset += body.length
    return file
  })
  const pack = Buffer.concat(bodies.map(({ body }) => body))
  const asked: number[] = []
  const source: BundleSource = {
    files: async () => files,
    chunk: async (_id, at) => {
      asked.push(at)
      return pack.subarray(at, at + chunkBytes)
    }
  }
  return { id: idOf(files), files, source, asked, pack }
}

const big = randomBytes(3.5 * chunkBytes)

await t.test('a bundle is there as a whole, read-only, and fetched once', async t => {
  const directory = directoryOf(t)
  const content = new Content(directory)
  const { id, source, asked } = bundleOf({
    'scripts/local.zeek': 'x',
    'scripts/deep/er/big': big,
    'plugins/run.sh': '#!',
    'scripts/empty': ''
  })
  await Promise.all([content.ensure(id, source), content.ensure(id, source)])
  t.same(
    asked,
    [0, 1, 2, 3].map(n => n * chunkBytes)
  )
  t.same(readdirSync(directory).sort(), [id, `${id}.json`].sort())
  t.same(readFileSync(join(directory, id, 'scripts/deep/er/big')), big)
  t.equal(statSync(join(directory, id, 'scripts/local.zeek')).mode & 0o777, 0o444)
  t.equal(statSync(join(directory, id, 'plugins/run.sh')).mode & 0o777, 0o555)
  t.equal(content.current, undefined)
  await content.use(id)
  t.match(content.current, { directory: join(directory, 'current'), loads: ['local.zeek'], plugins: String })
  await new Content(directory).use(id)
  t.equal(asked.length, 4)
})

await t.test('what was interrupted goes on where it was', async t => {
  const content = new Content(directoryOf(t))
  const { id, source, asked } = bundleOf({ 'scripts/big': big })
  const failing: BundleSource = {
    ...source,
    chunk: async (of, at) => {
      if (at >= 2 * chunkBytes) throw new Error('the link is closed')
      return await source.chunk(of, at)
    }
  }
  await t.rejects(content.ensure(id, failing), /link is closed/)
  await content.ensure(id, source)
  t.same(
    asked,
    [0, 1, 2, 3].map(n => n * chunkBytes),
    'each chunk was sent once'
  )
})

await t.test('a bundle that is another one than its id says is not used', async t => {
  const directory = directoryOf(t)
  const content = new Content(directory)
  const { id, source, files, pack } = bundleOf({ 'scripts/a': 'aaaa', 'scripts/b': 'bbbb' })
  const other = async (changes: Partial<BundleSource>) => await content.ensure(id, { ...source, ...changes })
  await t.rejects(other({ files: async () => files.slice(1) }), /is damaged: its files are others/)
  await t.rejects(other({ chunk: async () => pack.subarray(1) }), /is damaged: 7 bytes came instead of 8/)
  await t.rejects(other({ chunk: async () => Buffer.from('aaaabbbc') }), /is damaged: scripts\/b has another content/)
  await t.rejects(content.use(id), /bundle \S+ is not on this host: deploy again/)
  t.same(readdirSync(directory), [])
  const evil = bundleOf({ '../../evil': 'x' })
  await t.rejects(content.ensure(evil.id, evil.source), /leads out of it/)
  await content.ensure(id, source)
  t.equal(readFileSync(join(directory, id, 'scripts/b'), 'utf8'), 'bbbb')
})

await t.test('after a crash of the machine what is damaged is fetched anew', async t => {
  const directory = directoryOf(t)
  const { id, source, asked } = bundleOf({ 'scripts/a': 'aaaa', 'scripts/b': 'bbbb' })
  await new Content(directory).ensure(id, source)
  const [known, file] = [join(directory, `${id}.json`), join(directory, id, 'scripts/b')]
  const crash = () =>
    writeFileSync(known, JSON.stringify({ ...JSON.parse(readFileSync(known, 'utf8')), boot: 'before' }))
  crash()
  await new Content(directory).use(id)
  chmodSync(file, 0o644)
  writeFileSync(file, '\0\0\0\0')
  crash()
  await t.rejects(new Content(directory).use(id), /is not on this host/)
  await new Content(directory).ensure(id, source)
  t.equal(readFileSync(file, 'utf8'), 'bbbb')
  t.equal(asked.length, 2)
})

await t.test('bundles that nobody uses are removed', async t => {
  const directory = directoryOf(t)
  const content = new Content(directory)
  const [one, two, three] = ['1', '2', '3'].map(text => bundleOf({ 'scripts/x': text }))
  for (const { id, source } of [one!, two!, three!]) await content.ensure(id, source)
  await content.use(one!.id)
  await content.drop([two!.id])
  t.same(readdirSync(directory).sort(), [one!.id, `${one!.id}.json`, two!.id, `${two!.id}.json`, 'current'].sort())
  await content.use(undefined)
  await content.drop([])
  t.same(readdirSync(directory), [])
  t.notOk(existsSync(join(directory, 'current')))
})

await t.test('a bundle that a job needs is not removed before its end', async t => {
  const content = new Content(directoryOf(t))
  const { id, source } = bundleOf({ 'scripts/x': '1' })
  const isThere = async () =>
    await content.look(id).then(
      () => true,
      () => false
    )
  await content.holding([id], async () => {
    await content.ensure(id, source)
    await t.rejects(
      content.holding([id], async () => {
        throw new Error('another one that needs it has failed')
      })
    )
    await content.drop([])
    t.ok(await isThere())
  })
  await content.drop([])
  t.notOk(await isThere())
})

await t.test('of what was interrupted the last fetch is kept for a day', async t => {
  const directory = directoryOf(t)
  const content = new Content(directory)
  const part = (digit: string, hoursAgo: number) => {
    const path = join(directory, `${digit.repeat(64)}.part`)
    writeFileSync(path, 'x')
    utimesSync(path, new Date(), new Date(Date.now() - hoursAgo * 3_600_000))
    return `${digit.repeat(64)}.part`
  }
  part('a', 3)
  const last = part('b', 1)
  writeFileSync(join(directory, `${'c'.repeat(64)}.new`), '')
  await content.drop([])
  t.same(readdirSync(directory), [last])
  part('b', 25)
  await content.drop([])
  t.same(readdirSync(directory), [])
})
