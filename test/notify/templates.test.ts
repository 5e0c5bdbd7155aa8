import fc from 'fast-check'
import t from 'tap'
import { missedOf, testOf } from '../../src/notify/group.js'
import { bodyOf } from '../../src/notify/templates.js'
import { linesOf, titleOf } from '../../src/notify/words.js'
import { anyText } from '../support/arbitraries.js'
import { notificationOf, occurrence, teller } from './notification.js'

const many = notificationOf(
  ...Array.from({ length: 100 }, (_, n) => occurrence(n + 1, { severity: n % 2 === 0 ? 'error' : 'warning' }))
)
const read = (template: 'json' | 'slack' | 'teams', notification = many) =>
  JSON.parse(bodyOf(template, notification, teller))

await t.test('json tells all that there is, for programs', async t => {
  const { data, ...rest } = read('json')
  t.same(rest, { type: 'notification', timestamp: '1970-01-01T00:01:40.000Z' })
  t.match(data, {
    id: /^msg_[0-9a-f]{32}$/,
    title: '50 errors, 50 warnings',
    count: 100,
    counts: { error: 50, warning: 50 }
  })
  t.same([data.occurrences.length, data.occurrences[0].cursor, data.occurrences[0].seq], [30, 'k.1', undefined])
})

await t.test('of many the first are named, and the others counted', async t => {
  const lines = linesOf(many)
  t.same([lines.length, lines[0], lines.at(-1)], [31, '1970-01-01 00:00:01Z error: thing 1', 'and 70 more'])
})

await t.test('one is its own title; and what is over, what is gone, and a test have theirs', async t => {
  t.equal(titleOf(notificationOf(occurrence(1))), 'thing 1')
  t.equal(titleOf(notificationOf(occurrence(1, { over: true }), occurrence(2))), '1 error, 1 over')
  const missed = missedOf({ rule: 'r', sink: 's' }, 10, 21, 0)
  t.equal(titleOf(missed), '10 events of the log were gone before they could be told')
  t.match(read('json', missed).data, { missed: 10, severity: 'error', occurrences: [] })
  const test = testOf('s', 'ops', 0)
  t.match(read('json', test), { type: 'notification.test', data: { title: 'a test, sent by ops: it works' } })
  for (const one of [missed, test]) for (const template of ['slack', 'teams'] as const) t.ok(read(template, one))
})

await t.test('Slack: within its limits, and what others have written neither links nor addresses anybody', async t => {
  const hostile = '<!channel> <https://evil.example|click> *bold* & @here'
  const { text, blocks } = read('slack', notificationOf(occurrence(1, { text: hostile })))
  t.match(text, '&lt;!channel&gt; &lt;https://evil.example|click&gt; *bold* &amp; @here')
  fc.assert(
    fc.property(fc.array(anyText, { minLength: 1, maxLength: 40 }), texts => {
      const body = read(
        'slack',
        notificationOf(...texts.map((one, n) => occurrence(n + 1, { text: one.slice(0, 400) })))
      )
      const all = body.blocks.flatMap((block: any) => block.elements ?? [block.text])
      return (
        body.blocks.length <= 50 &&
        all.every((one: any) => one.type === 'plain_text' && one.text.length > 0 && one.text.length <= 3000) &&
        body.blocks[0].text.text.length <= 150 &&
        !/[<>]/.test(body.text)
      )
    })
  )
  t.same(
    blocks.map(({ type }: { type: string }) => type),
    ['header', 'section', 'context']
  )
})

await t.test('Teams: an adaptive card, of which nothing is Markdown of others', async t => {
  const body = read('teams', notificationOf(occurrence(1, { text: '[click](https://evil.example) **b** `c`' })))
  const [{ content, contentType }] = body.attachments
  t.same([body.type, contentType], ['message', 'application/vnd.microsoft.card.adaptive'])
  t.match(content.body[1].text, '\\[click\\]\\(https://evil.example\\) \\*\\*b\\*\\* \\`c\\`')
  for (const text of ['thing', '*'.repeat(400), '\u4e2d'.repeat(400), '\u0001'.repeat(400)]) {
    const long = notificationOf(...Array.from({ length: 40 }, (_, n) => occurrence(n + 1, { text })))
    t.ok(Buffer.byteLength(bodyOf('teams', long, teller)) < 28_000, 'no longer than it takes')
  }
  const long = notificationOf(...Array.from({ length: 30 }, (_, n) => occurrence(n + 1, { text: '*'.repeat(400) })))
  t.match(read('teams', long).attachments[0].content.body.at(-2).text, /^and \d+ lines more/)
})
