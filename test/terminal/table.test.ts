import fc from 'fast-check'
import stringWidth from 'string-width'
import t from 'tap'
import { screenOf } from '../../src/terminal/screen.js'
import { tableOf, type Column } from '../../src/terminal/table.js'
import { runs } from '../support/runs.js'

interface Row {
  name: string
  state: string
  packets: string
  reason: string
}

const columns: Column<Row>[] = [
  { title: 'NAME', text: ({ name }) => name, tone: () => 'strong' },
  { title: 'STATE', text: ({ state }) => state, tone: ({ state }) => (state === 'RUNNING' ? 'good' : 'bad') },
  { title: 'PACKETS', text: ({ packets }) => packets, isNumber: true },
  { title: 'REASON', text: ({ reason }) => reason, isLong: true }
]
const rows: Row[] = [
  { name: 'manager', state: 'RUNNING', packets: '-', reason: 'joined the cluster' },
  {
    name: '日本語-1',
    state: 'CRASHED',
    packets: '12k/s',
    reason: 'fatal error in /opt/zeek/share/zeek/site/local.zeek, line 17'
  }
]
const terminal = (columns: number, env: NodeJS.ProcessEnv = {}) =>
  screenOf({ isTTY: true, columns }, { LANG: 'C.UTF-8', NO_COLOR: '1', ...env })
const tableAt = (width: number, env?: NodeJS.ProcessEnv) => tableOf(columns, rows, terminal(width, env)).split('\n')

await t.test('has each row in one line, with wide characters in line with the others', async t => {
  t.same(tableAt(200), [
    'NAME      STATE    PACKETS  REASON',
    'manager   RUNNING        -  joined the cluster',
    '日本語-1  CRASHED    12k/s  fatal error in /opt/zeek/share/zeek/site/local.zeek, line 17'
  ])
})

await t.test('cuts long texts at the width of the terminal', async t => {
  t.same(tableAt(60), [
    'NAME      STATE    PACKETS  REASON',
    'manager   RUNNING        -  joined the cluster',
    '日本語-1  CRASHED    12k/s  fatal error in /opt/zeek/share/…'
  ])
  t.match(tableAt(60, { LANG: 'C' })[2], /share\/~$/, 'in ASCII, too')
})

await t.test('is not cut where the output is no terminal', async t => {
  const long = 'x'.repeat(5000)
  t.match(tableOf(columns, [{ ...rows[0]!, reason: long }], screenOf({}, {})), long)
})

await t.test('leaves columns out, the last first, where texts that are cut do not fit', async t => {
  t.same(tableAt(42), [
    'NAME      STATE    REASON',
    'manager   RUNNING  joined the cluster',
    '日本語-1  CRASHED  fatal error in /opt/ze…'
  ])
  t.same(tableAt(20), ['NAME      REASON', 'manager   joined th…', '日本語-1  fatal err…'])
})

await t.test('keeps the gap between columns that are cut', async t => {
  const name = 'sensor-in-the-north-of-the-campus'
  const [, line] = tableOf(columns, [{ ...rows[0]!, name: `${name}-1` }], terminal(50)).split('\n')
  t.equal(line, 'sensor-in-the-north-of…  RUNNING  joined the clus…')
})

await t.test('colours what it is told to, and nothing where colours are not wanted', async t => {
  const coloured = tableAt(200, { NO_COLOR: '' })
  // eslint-disable-next-line no-control-regex
  const plain = coloured.map(line => line.replace(/\u001b\[\d+m/g, '').trimEnd())
  t.same(plain, tableAt(200), 'the same under the colours')
  t.match(coloured[2], '\u001b[31mCRASHED\u001b[39m')
  for (const env of [{ NO_COLOR: '1' }, { NO_COLOR: '', TERM: 'dumb' }]) {
    t.notMatch(tableAt(200, env).join(), '\u001b')
  }
})

await t.test('shows texts from elsewhere in one line, without what they would do to the terminal', async t => {
  const lines = tableOf(columns, [{ ...rows[0]!, name: 'a\n\u001b[2Jb' }], terminal(80)).split('\n')
  t.match(lines, [/^NAME/, /^a \\u001b\[2Jb {2}RUNNING/])
  t.equal(lines.length, 2)
})

await t.test('no line is wider than the terminal, whatever the texts and the width', async t => {
  const word = fc
    .array(fc.constantFrom('a', 'é', '日', '한', '😀', 'e\u0301', ' ', '-'), { maxLength: 60 })
    .map(s => s.join(''))
  const row = fc.record({ name: word, state: word, packets: fc.constantFrom('-', '1.2k/s'), reason: word })
  fc.assert(
    fc.property(fc.array(row, { maxLength: 5 }), fc.integer({ min: 24, max: 200 }), (rows, width) => {
      const lines = tableOf(columns, rows, terminal(width)).split('\n')
      return lines.length === rows.length + 1 && lines.every(line => stringWidth(line) <= width)
    }),
    { numRuns: runs(100) }
  )
})
