import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { readArchive, type ArchiveFile } from '../../src/bundles/archive.js'
import { idOf } from '../../src/bundles/manifest.js'
import type { AppError } from '../../src/errors.js'
import { chunksOf, tarOf, type TarEntry } from './tar.js'

const limits = { bytes: 1_000_000, files: 100 }
type Read = ArchiveFile & { sha256: string; content: string }

async function filesOf(bytes: Buffer, { chunk = 65_536, max = limits } = {}): Promise<Read[]> {
  const files: Read[] = []
  await readArchive(chunksOf(bytes, chunk), max, async (file, content) => {
    const parts: Buffer[] = []
    for await (const part of content) parts.push(Buffer.from(part))
    const whole = Buffer.concat(parts)
    const sha256 = createHash('sha256').update(whole).digest('hex')
    if (!files.some(({ path }) => path === file.path)) files.push({ ...file, sha256, content: whole.toString() })
    return { sha256 }
  })
  return files
}

async function refusedOf(bytes: Buffer | readonly TarEntry[], options = {}): Promise<[code: string, message: string]> {
  try {
    await filesOf(Buffer.isBuffer(bytes) ? bytes : tarOf(...bytes), options)
  } catch (error) {
    return [(error as AppError).code, (error as Error).message]
  }
  return ['none', 'it was taken']
}

const local = { path: 'scripts/local.zeek', content: 'print "hello";\n' }

await t.test('files come with their content, whatever the chunks are, compressed or not', async t => {
  const bytes = tarOf(
    { path: './scripts/', type: 'Directory' },
    { path: './scripts/local.zeek', content: local.content },
    { path: 'plugins/x/run.sh', content: 'x'.repeat(70_000), mode: 0o755 },
    { path: 'scripts/empty.zeek' },
    { path: `scripts/${'long-'.repeat(40)}.zeek`, content: 'long' }
  )
  for (const form of [
    bytes,
    gzipSync(bytes),
    Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))])
  ]) {
    for (const chunk of [1, 511, 65_536, 1_000_000]) {
      const files = await filesOf(form, { chunk })
      t.match(files, [
        { path: 'scripts/local.zeek', executable: false, size: 15, content: local.content },
        { path: 'plugins/x/run.sh', executable: true, size: 70_000 },
        { path: 'scripts/empty.zeek', size: 0, content: '' },
        { path: `scripts/${'long-'.repeat(40)}.zeek`, content: 'long' }
      ])
    }
  }
})

await t.test('what no bundle may hold is refused by the name of its entry', async t => {
  for (const [entries, said] of [
    [[{ path: '/etc/passwd' }], /"\/etc\/passwd": paths in a bundle are not absolute/],
    [[{ path: 'scripts/../../x' }], /"scripts\/..\/..\/x": a path in a bundle leads out of it/],
    [[{ path: 'scripts//x' }], /is not normal/],
    [[{ path: 'scripts/./x' }], /is not normal/],
    [[{ path: 'scripts/a\nb' }], /a character that none may have/],
    [[{ path: 'scripts\\x' }], /a character that none may have/],
    [[{ path: `scripts/${'d/'.repeat(40)}x` }], /deeper than 32 directories/],
    [[{ path: `scripts/${'n'.repeat(256)}` }], /over 255 bytes/],
    [[{ path: 'local.zeek' }], /"local.zeek": a bundle holds scripts\/, .*; is this scripts\/local.zeek\?/],
    [[{ path: 'site/local.zeek' }], /"site\/local.zeek": a bundle holds scripts\//],
    [
      [local, { path: 'scripts/l', type: 'SymbolicLink', linkpath: '/etc/passwd' }],
      /"scripts\/l": .* this is a link; tar --dereference/
    ],
    [[local, { path: 'scripts/l', type: 'Link', linkpath: 'scripts/local.zeek' }], /"scripts\/l": .* this is a link/],
    [[{ path: 'scripts/d', type: 'CharacterDevice' }], /of type CharacterDevice/],
    [[{ path: 'scripts/p', type: 'FIFO' }], /of type FIFO/],
    [[local, { ...local, content: 'other' }], /"scripts\/local.zeek": it is in the archive twice, and differs/],
    [[local, { path: 'scripts/Local.zeek' }], /differs from "scripts\/local.zeek" only by case/],
    [[{ path: 'scripts/A/x' }, { path: 'scripts/a/y' }], /"scripts\/a": it differs from "scripts\/A" only by case/],
    [[{ path: 'scripts/\u00e9' }, { path: 'scripts/e\u0301' }], /only by case, or by Unicode form/],
    [[local, { path: 'scripts/local.zeek/x' }], /"scripts\/local.zeek": it is a file and a directory/],
    [[{ path: 'scripts/x/y' }, { path: 'scripts/x' }], /"scripts\/x": it is a file and a directory/]
  ] as [TarEntry[], RegExp][]) {
    const [code, message] = await refusedOf(entries)
    t.equal(code, 'invalid_request', message)
    t.match(message, said)
  }
})

await t.test('the same file twice is one', async t => {
  t.equal((await filesOf(tarOf(local, { ...local, path: './scripts/local.zeek' }))).length, 1)
})

await t.test('archives that are too large, or without end, are refused before they are read', async t => {
  const max = { bytes: 1000, files: 2 }
  t.match(await refusedOf([{ ...local, size: 2 ** 40 }]), [
    'payload_too_large',
    /with "scripts\/local.zeek" it has over/
  ])
  t.match(
    await refusedOf(
      [
        { path: 'scripts/a', content: 'x'.repeat(600) },
        { path: 'scripts/b', content: 'x'.repeat(600) }
      ],
      { max }
    ),
    ['payload_too_large', /"scripts\/b" it has over 1000 bytes/]
  )
  t.match(
    await refusedOf(
      ['a', 'b', 'c'].map(name => ({ path: `scripts/${name}` })),
      { max }
    ),
    ['payload_too_large', /more than 2 files/]
  )
  // Zeros without end, of which gzip makes little.
  t.match(await refusedOf(gzipSync(Buffer.alloc(4_000_000)), { max }), ['payload_too_large', /archive has more than/])
  t.match(await refusedOf(Buffer.concat([tarOf(local), Buffer.alloc(4_000_000)]), { max }), [
    'payload_too_large',
    /more than/
  ])
  const directories = tarOf(...Array.from({ length: 3000 }, () => ({ path: 'scripts/', type: 'Directory' })))
  t.match(await refusedOf(directories, { max }), ['payload_too_large', /more than/])
})

await t.test('archives that are broken are refused', async t => {
  const bytes = tarOf(local, { path: 'scripts/x', content: 'x'.repeat(3000) })
  const compressed = gzipSync(bytes)
  for (const broken of [
    Buffer.alloc(1024),
    Buffer.from('this is no archive, but a text of some length'),
    randomBytes(5000),
    bytes.subarray(0, 2000),
    bytes.subarray(0, 700),
    compressed.subarray(0, compressed.length - 20),
    Buffer.concat([compressed.subarray(0, 40), randomBytes(100)]),
    gzipSync(compressed),
    Buffer.concat([tarOf(local).subarray(0, 1024), randomBytes(512), Buffer.alloc(1024)])
  ]) {
    const [code, message] = await refusedOf(broken)
    t.equal(code, 'invalid_request', message)
    t.match(message, /archive is (broken|compressed twice)/)
  }
  t.match(await refusedOf(Buffer.alloc(0)), ['invalid_request', 'the archive is empty'])
})

await t.test('an error of who sends, or of who takes, is told as it is', async t => {
  const lost = new Error('aborted')
  const sending = async function* () {
    yield tarOf(local).subarray(0, 600)
    throw lost
  }
  await t.rejects(
    readArchive(sending(), limits, async () => ({ sha256: '' })),
    lost
  )
  const full = new Error('no space')
  await t.rejects(
    readArchive(chunksOf(tarOf(local, { path: 'scripts/x', content: randomBytes(500_000) })), limits, async () => {
      throw full
    }),
    full
  )
})

await t.test('an id follows from paths, modes and contents alone', async t => {
  const files = await filesOf(tarOf(local, { path: 'scripts/x', content: 'x' }))
  const id = idOf(files)
  t.match(id, /^[0-9a-f]{64}$/)
  t.equal(idOf([...files].reverse()), id)
  t.equal(idOf(await filesOf(gzipSync(tarOf({ path: './scripts/x', content: 'x', mode: 0o600 }, local)))), id)
  for (const other of [{ path: 'scripts/y' }, { content: 'y' }, { mode: 0o755 }]) {
    t.not(idOf(await filesOf(tarOf(local, { path: 'scripts/x', content: 'x', ...other }))), id)
  }
})
