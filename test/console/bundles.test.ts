import t from 'tap'
import {
  changesOf,
  choiceOf,
  deletionOf,
  earlierOf,
  filesWith,
  isFeedOnly,
  keptBy,
  renamingOf,
  shownRef,
  summaryOf,
  titleOf,
  type Bundle,
  type BundleFile
} from '../../console/model/bundles.js'

const idOf = (digit: string) => digit.repeat(64)
const bundle = (digit: string, more: Partial<Bundle> = {}): Bundle => ({
  id: idOf(digit),
  names: [],
  files: 1,
  size: 2048,
  used_by: [],
  created_at: '2026-11-29T10:00:00.000Z',
  ...more
})
const file = (path: string, sha256 = 'a', more: Partial<BundleFile> = {}): BundleFile => ({
  path,
  sha256,
  size: 5,
  executable: false,
  ...more
})

await t.test('calls a bundle by its names, and else by the first digits of its id', async t => {
  t.equal(titleOf(bundle('a')), 'aaaaaaaaaaaa')
  t.equal(titleOf(bundle('a', { names: ['site', 'test'] })), 'site, test')
  t.equal(shownRef(idOf('a')), 'aaaaaaaaaaaa')
  t.equal(shownRef('site'), 'site')
  t.equal(shownRef('\u202egnp'), '\\u202egnp', 'an address can be written by anybody')
  t.equal(choiceOf(bundle('b', { names: ['site'], used_by: ['deployed'] })), 'site · bbbbbbbbbbbb · deployed')
})

await t.test('finds files by a part of their path, whatever its case', async t => {
  const files = [file('scripts/local.zeek'), file('intel/Feed.dat')]
  t.same(filesWith(files, 'FEED'), [files[1]])
  t.equal(filesWith(files, ''), files)
  t.same(filesWith(files, '.*'), [], 'it is no pattern')
})

await t.test('tells what is different, file by file', async t => {
  const difference = {
    added: [file('scripts/z', 'a', { executable: true })],
    removed: [file('config/a')],
    changed: [
      { before: file('intel/b'), after: file('intel/b', 'c', { size: 7 }) },
      { before: file('scripts/a'), after: file('scripts/a', 'a', { executable: true }) },
      { before: file('scripts/b', 'a', { executable: true }), after: file('scripts/b', 'b') }
    ]
  }
  t.same(
    changesOf(difference).map(({ path, kind, size, what }) => [path, kind, size, what]),
    [
      ['config/a', 'removed', '5 B', ''],
      ['intel/b', 'changed', '5 B → 7 B', 'content'],
      ['scripts/a', 'changed', '5 B', 'now executable'],
      ['scripts/b', 'changed', '5 B', 'content, no longer executable'],
      ['scripts/z', 'added', '5 B', 'executable']
    ]
  )
  t.equal(summaryOf(difference), '1 added, 1 removed, 3 changed in this one.')
  t.equal(summaryOf({ added: [], removed: [], changed: [] }), 'No file differs.')
})

await t.test('compares with what is deployed, and that with what was there before it', async t => {
  const bundles = [bundle('d'), bundle('c'), bundle('b', { used_by: ['deployed'] }), bundle('a')]
  t.equal(earlierOf(bundles, idOf('d'))?.id, idOf('b'))
  t.equal(earlierOf(bundles, idOf('a'))?.id, idOf('b'), 'also an older one')
  t.equal(earlierOf(bundles, idOf('b'))?.id, idOf('a'))
  const staged = [bundle('d'), bundle('c'), bundle('b', { used_by: ['staged'] }), bundle('a')]
  t.equal(earlierOf(staged, idOf('d'))?.id, idOf('b'), 'what is staged where nothing is deployed')
  t.equal(earlierOf([bundle('d'), bundle('c')], idOf('d'))?.id, idOf('c'))
  t.equal(earlierOf([bundle('d')], idOf('d')), undefined)
  t.equal(earlierOf([bundle('d')], idOf('e')), undefined, 'one that is not listed')
  const feed = bundle('c', { used_by: ['intel'] })
  t.equal(earlierOf([bundle('d'), feed, bundle('b')], idOf('d'))?.id, idOf('b'), 'not the file of a feed')
})

await t.test('says what deleting does, and why it is not done', async t => {
  t.equal(keptBy(bundle('a')), undefined)
  t.equal(keptBy(bundle('a', { used_by: ['staged'] })), 'The staged configuration names it: it cannot be deleted.')
  t.match(
    keptBy(bundle('a', { used_by: ['deployed', 'staged', 'revision'] })),
    /^The deployed and the staged configuration, and a revision name it/
  )
  t.equal(keptBy(bundle('a', { used_by: ['intel'] })), 'A feed of intelligence names it: it cannot be deleted.')
  t.match(
    keptBy(bundle('a', { used_by: ['deployed', 'staged', 'intel'] })),
    /^The deployed and the staged configuration, and a feed of intelligence name it/
  )
  t.same(deletionOf(bundle('a', { names: ['site'], files: 3 })), [
    '3 files (2.0 KiB) are deleted at the controller.',
    'site points to nothing then.',
    'Nothing that runs changes.'
  ])
  t.equal(deletionOf(bundle('a')).length, 2)
  t.match(deletionOf(bundle('a'))[0], /^1 file \(2.0 KiB\) is deleted/)
})

await t.test('tells the file of a feed from what configurations name', async t => {
  t.ok(isFeedOnly(bundle('a', { used_by: ['intel'] })))
  t.notOk(isFeedOnly(bundle('a', { used_by: ['staged', 'intel'] })))
  t.notOk(isFeedOnly(bundle('a')))
  t.equal(choiceOf(bundle('b', { used_by: ['staged', 'intel'] })), 'bbbbbbbbbbbb · staged · feed of intelligence')
})

await t.test('says what becomes of the name of an upload', async t => {
  const bundles = [bundle('a', { names: ['site'] })]
  t.match(renamingOf(bundles, 'site'), /^site points to aaaaaaaaaaaa now/)
  t.equal(renamingOf(bundles, 'new'), undefined)
  t.equal(renamingOf(bundles, ''), undefined)
})
