import { createHash } from 'node:crypto'
import { applyPatch, parsePatch } from 'diff'
import fc from 'fast-check'
import t from 'tap'
import { textDifferences, textLimits, type TextDifference } from '../../src/bundles/text-difference.js'

type Content = string | Buffer | undefined

/** Returns what is told of files, each given by its earlier and its later content. */
async function differencesOf(...pairs: [Content, Content][]): Promise<TextDifference[]> {
  const fileOf = (content: Content, n: number) => {
    const bytes = Buffer.from(content ?? '?')
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    return { path: `scripts/${n}.zeek`, executable: false, size: bytes.length, sha256, content }
  }
  return await textDifferences(
    pairs.map(([before, after], n) => ({ before: fileOf(before, n), after: fileOf(after, n) })),
    async (_side, { content }) => (content === undefined ? undefined : Buffer.from(content))
  )
}

/** Returns `count` lines that no other text has. */
const lines = (count: number, mark: string) => Array.from({ length: count }, (_, n) => `${mark} ${n}\n`).join('')

await t.test('a text is shown as a unified diff', async t => {
  const body = lines(10, 'x')
  const [one] = await differencesOf([body, body.replace('x 5\n', 'é 5\n')])
  t.same(one, {
    diff: '--- a/scripts/0.zeek\n+++ b/scripts/0.zeek\n@@ -3,7 +3,7 @@\n x 2\n x 3\n x 4\n-x 5\n+é 5\n x 6\n x 7\n x 8\n'
  })
  const [start, end] = await differencesOf(['', 'a\n'], ['a\n', 'a'])
  t.equal(start!.diff, '--- a/scripts/0.zeek\n+++ b/scripts/0.zeek\n@@ -0,0 +1,1 @@\n+a\n')
  t.match(end!.diff, /\n-a\n\+a\n\\ No newline at end of file\n$/)
})

await t.test(
  'what is no text is said, and so is what cannot be read; where only the mode is other, nothing',
  async t => {
    t.same(
      await differencesOf(
        ['a', Buffer.from([0xff, 0xfe])],
        ['a\0', 'b'],
        [undefined, 'b'],
        ['a', undefined],
        ['same', 'same'],
        ['a\n', 'b\n']
      ),
      [
        { diff_omitted: 'binary' },
        { diff_omitted: 'binary' },
        { diff_omitted: 'unavailable' },
        { diff_omitted: 'unavailable' },
        {},
        { diff: '--- a/scripts/5.zeek\n+++ b/scripts/5.zeek\n@@ -1,1 +1,1 @@\n-a\n+b\n' }
      ]
    )
  }
)

await t.test('a file that is too large is left out, and what has no room after the others', async t => {
  const { file, all } = textLimits
  const full: [string, string] = ['a'.repeat(file), 'b'.repeat(file)]
  const omitted = (await differencesOf(full, ['a', `${full[1]}b`], [`${full[1]}b`, 'a'])).map(one => one.diff_omitted)
  t.same(omitted, [undefined, 'too_large', 'too_large'])
  const fitting = all / (2 * file)
  const pairs = Array.from({ length: fitting + 2 }, () => full)
  const many = await differencesOf(...pairs.slice(0, fitting - 1), ['a', 'b'], full, ['a', 'b'])
  t.same(
    many.map(one => one.diff_omitted),
    [...Array.from({ length: fitting }, () => undefined), 'too_large', undefined]
  )
  const shown = many.reduce((sum, { diff = '' }) => sum + Buffer.byteLength(diff), 0)
  t.ok(shown < all + many.length * 200, `${shown} bytes`)
})

await t.test('where nearly all is different, all lines are told, and nothing waits for it', async t => {
  const [before, after] = [lines(4000, 'old'), lines(3500, 'new')]
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const [{ diff }] = (await differencesOf([before, after.slice(0, -1)])) as [TextDifference]
  clearInterval(timer)
  t.ok(turns > 10, `others have had ${turns} turns`)
  t.match(diff, /^--- a\/scripts\/0.zeek\n\+\+\+ b\/scripts\/0.zeek\n@@ -1,4000 \+1,3500 @@\n-old 0\n/)
  t.equal(applyPatch(before, diff!), after.slice(0, -1))
})

await t.test('whatever the texts are, a diff makes the later one of the earlier one', async t => {
  const line = fc.constantFrom('a', 'b', '', '--- x', '+++ y', '@@ -1 +1 @@', '\\ No', 'é\r', '\t')
  const text = fc
    .tuple(fc.array(line, { maxLength: 12 }), fc.boolean())
    .map(([all, ends]) => all.join('\n') + (ends ? '\n' : ''))
  await fc.assert(
    fc.asyncProperty(text, text, async (before, after) => {
      fc.pre(before !== after)
      const [{ diff }] = (await differencesOf([before, after])) as [TextDifference]
      if (parsePatch(diff!).length !== 1) throw new Error(`several files: ${diff}`)
      if (applyPatch(before, diff!, { autoConvertLineEndings: false }) !== after) throw new Error(diff)
    })
  )
  t.pass()
})
