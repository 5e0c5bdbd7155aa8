import t from 'tap'
import { readMetrics } from '../../../src/agent/stats/exposition.js'

const read = (text: string, ...names: string[]) => Object.fromEntries(readMetrics(text, names))

await t.test('a metric is the sum over its labels', async t => {
  const text = `# HELP zeek_active_sessions Active Zeek Sessions
# TYPE zeek_active_sessions gauge
zeek_active_sessions{node="worker-1",protocol="tcp"} 3
zeek_active_sessions{node="worker-1",protocol="udp"} 4.5 1700000000000
zeek_net_received_packets_total 51000000
zeek_net_received_packets_total_other 7
`
  t.same(read(text, 'zeek_active_sessions', 'zeek_net_received_packets_total', 'zeek_net_dropped_packets_total'), {
    zeek_active_sessions: 7.5,
    zeek_net_received_packets_total: 51_000_000
  })
})

await t.test('labels can hold anything', async t => {
  t.same(read('a{x="} 5",y="\\"} 6",z="\\\\"} 7\r\n', 'a'), { a: 7 })
  t.same(read('a{} 1e3\na{x="1",} -2\n', 'a'), { a: 998 })
})

await t.test('what is no sample, and no number, is left out', async t => {
  for (const line of [
    'a',
    'a ',
    'a{x="1} 5',
    'a{x=1 5',
    'a NaN',
    'a +Inf',
    'a five',
    'a 5 6 7',
    'a5 1',
    ' a 1',
    '<html>a 5</html>',
    'a{__proto__="x"}'
  ]) {
    t.same(read(line, 'a'), {}, line)
  }
  t.same(read('b 1', '__proto__', 'a'), {})
})

await t.test('a text that was made to be hard is read', async t => {
  t.same(read(`a{${'x'.repeat(4_000_000)}\na${' '.repeat(60_000)}x x\na{${'"'.repeat(59_999)}\na 2`, 'a'), { a: 2 })
})
