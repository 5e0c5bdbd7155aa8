import fc from 'fast-check'
import t from 'tap'
import { printable, printableJson, printableLine, screenOf } from '../../src/terminal/screen.js'
import { amount, bytes, duration, percent } from '../../src/terminal/units.js'
import { runs } from '../support/runs.js'

await t.test('what a text from elsewhere would do to the terminal is written out', async t => {
  const cases = {
    'colours\u001b[31m': 'colours\\u001b[31m',
    'title\u001b]0;pwned\u0007': 'title\\u001b]0;pwned\\u0007',
    'link\u001b]8;;http://evil\u001b\\here': 'link\\u001b]8;;http://evil\\u001b\\here',
    'clipboard\u001b]52;c;cm0gLXJm\u0007': 'clipboard\\u001b]52;c;cm0gLXJm\\u0007',
    'CSI\u009b2J': 'CSI\\u009b2J',
    'OSC\u009d0;x\u009c': 'OSC\\u009d0;x\\u009c',
    'back\b\b\bspace': 'back\\u0008\\u0008\\u0008space',
    'nul\0del\u007f': 'nul\\u0000del\\u007f',
    'good\rbad': 'goodbad',
    'user\u202Egnp.exe': 'user\\u202egnp.exe',
    'isolate\u2066x\u2069': 'isolate\\u2066x\\u2069',
    'mark\u200e\u200f\u061c': 'mark\\u200e\\u200f\\u061c',
    'two\nlines\tand a tab': 'two\nlines\tand a tab',
    '日本語 é 😀': '日本語 é 😀'
  }
  for (const [text, shown] of Object.entries(cases)) t.equal(printable(text), shown)
  t.equal(printableLine(' a\nb\t c\u2028d\r\n'), 'a b c d')
})

await t.test('nothing that controls a terminal is left, and what is harmless stays', async t => {
  // eslint-disable-next-line no-control-regex
  const harmful = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/
  const text = fc.string({
    unit: fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      fc.constantFrom(...'\u001b\u009b\u202e\r\n\ta')
    )
  })
  fc.assert(
    fc.property(text, text => {
      const shown = printable(text)
      return !harmful.test(shown) && (harmful.test(text) || shown === text) && !/[\n\t]/.test(printableLine(text))
    }),
    { numRuns: runs(200) }
  )
})

await t.test('a line of a megabyte is shown', async t => {
  t.equal(printable('\u001b'.repeat(1 << 20)).length, 6 << 20)
  t.equal(printableLine('a '.repeat(1 << 19)).length, (1 << 20) - 1)
})

await t.test('durations have their two largest units', async t => {
  const cases = [
    [0, '0s'],
    [0.9, '0s'],
    [-5, '0s'],
    [59.9, '59s'],
    [60, '1m'],
    [61, '1m 1s'],
    [3599, '59m 59s'],
    [3600, '1h'],
    [3605, '1h'],
    [7260, '2h 1m'],
    [86_400 * 3 + 4 * 3600 + 59, '3d 4h'],
    [86_400 * 400, '400d']
  ] as const
  for (const [seconds, text] of cases) t.equal(duration(seconds), text)
})

await t.test('bytes, counts and shares have units', async t => {
  t.same([0, 1, 1023, 1024, 10_240, 272_629_760, 1024 ** 6].map(bytes), [
    '0 B',
    '1 B',
    '1023 B',
    '1.0 KiB',
    '10 KiB',
    '260 MiB',
    '1024 PiB'
  ])
  t.same([0, 7, 999, 1000, 61_234, 2_500_000].map(amount), ['0', '7', '999', '1.0k', '61k', '2.5M'])
  t.same([0, 0.04, 9.94, 10, 100].map(percent), ['0%', '0.0%', '9.9%', '10%', '100%'])
})

await t.test('a number never fills the unit above, or has a digit too many', async t => {
  t.same([1024 ** 2 - 1, 1024 * 9.99].map(bytes), ['1.0 MiB', '10 KiB'])
  t.same([999_999, 9_990].map(amount), ['1.0M', '10k'])
  t.equal(percent(9.96), '10%')
})

await t.test('a terminal is used as it is', async t => {
  const utf8 = { LANG: 'en_US.UTF-8' }
  t.match(screenOf({ isTTY: true, columns: 60, rows: 10 }, utf8), {
    columns: 60,
    rows: 10,
    isLive: true,
    symbols: { done: '✔' }
  })
  t.match(screenOf({}, utf8), { columns: undefined, isLive: false, symbols: { done: '✔' } })
  t.match(screenOf({ isTTY: true, columns: 0, rows: 0 }, utf8), { columns: 80, rows: 24 }, 'one without a size')
  t.equal(screenOf({ isTTY: true }, { TERM: 'dumb' }).isLive, false)
  for (const env of [
    {},
    { LANG: 'C' },
    { LANG: 'en_US.UTF-8', LC_ALL: 'C' },
    { LANG: 'en_US.UTF-8', LC_CTYPE: 'POSIX' }
  ]) {
    t.match(screenOf({}, env).symbols, { done: '+', failed: 'x' })
  }
  t.equal(screenOf({}, { LC_ALL: '', LANG: 'C.utf8' }).symbols.done, '✔')
  t.equal(screenOf({ isTTY: true }, {}).style('bad', 'x'), '\u001b[31mx\u001b[39m')
  t.equal(screenOf({ isTTY: true }, { NO_COLOR: '1' }).style('bad', 'x'), 'x')
  t.equal(screenOf({}, {}).style('bad', 'x'), 'x')
})

await t.test('JSON is the same value, and does nothing to the terminal', async t => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const shown = printableJson([value, text], 2)
      t.same(JSON.parse(shown), JSON.parse(JSON.stringify([value, text])))
      return printable(shown) === shown
    }),
    { numRuns: runs(100) }
  )
  t.equal(printableJson('a\u202eb\u009b'), '"a\\u202eb\\u009b"')
})
