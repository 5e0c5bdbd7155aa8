import t from 'tap'
import { parseReport, Reports } from '../../src/zeek/report.js'

await t.test('what Zeek reports, with and without a place', async t => {
  for (const [line, finding] of [
    ["fatal error: can't find nosuchscript", { level: 'error', message: "can't find nosuchscript" }],
    [
      'error in /a/b c.zeek, line 5: syntax error, at or near "x"',
      { level: 'error', message: 'syntax error, at or near "x"', file: '/a/b c.zeek', line: 5 }
    ],
    [
      'error in <params>, line 1: syntax error, at or near ";"',
      { level: 'error', message: 'syntax error, at or near ";"', file: '<params>', line: 1 }
    ],
    [
      "error: unknown identifier 'Foo::bar' in command-line options",
      { level: 'error', message: "unknown identifier 'Foo::bar' in command-line options" }
    ],
    [
      'warning in ./x.zeek, line 7: deprecated (Foo::x): Remove in v9.1',
      { level: 'warning', message: 'deprecated (Foo::x): Remove in v9.1', file: './x.zeek', line: 7 }
    ],
    [
      'error in /a.zeek, lines 5-7: type clash (a = b)',
      { level: 'error', message: 'type clash (a = b)', file: '/a.zeek', line: 5 }
    ],
    ['error in /a.zeek, line 5-7: type clash', { level: 'error', message: 'type clash', file: '/a.zeek', line: 5 }],
    [
      'error in /a.zeek, line 5 and /b.zeek, lines 8-9: already defined (x)',
      { level: 'error', message: 'already defined (x)', file: '/a.zeek', line: 5 }
    ],
    [
      'expression error in /a.zeek, line 3: field value missing (x$y)',
      { level: 'error', message: 'field value missing (x$y)', file: '/a.zeek', line: 3 }
    ],
    [
      'expression warning in /a.zeek, line 3: doubtful',
      { level: 'warning', message: 'doubtful', file: '/a.zeek', line: 3 }
    ],
    [
      '1732287600.123456 fatal error in /a/__load__.zeek, line 36: gone',
      { level: 'error', message: 'gone', file: '/a/__load__.zeek', line: 36 }
    ],
    ['internal warning: odd', { level: 'warning', message: 'odd' }]
  ] as const) {
    t.same(parseReport(line), finding, line)
  }
  for (const line of [
    '',
    'listening on lo',
    'no error: none',
    'terror in /a.zeek, line 1: x',
    "Try 'zeek --help' for more information."
  ]) {
    t.equal(parseReport(line), undefined, line)
  }
})

await t.test('reports come in pieces, are bounded, and errors are kept rather than warnings', async t => {
  const reports = new Reports(3)
  const text = `${Array.from({ length: 50 }, (_, n) => `warning: w${n}\n`).join('')}error: first\nerror: second\n\nlast words`
  for (const letter of text) reports.push(letter)
  t.same(
    reports.findings().map(({ message }) => message),
    ['w0', 'second', 'first']
  )
  t.same(reports.lastLines.split('\n'), ['warning: w48', 'warning: w49', 'error: first', 'error: second', 'last words'])
})

await t.test('a line without an end costs no more than a long one', async t => {
  const reports = new Reports(3)
  reports.push('error: ')
  for (let n = 0; n < 100; n++) reports.push('x'.repeat(100_000))
  const [finding] = reports.findings()
  t.ok(finding!.message.length <= 4096)
})
