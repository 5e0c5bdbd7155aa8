import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { Metrics } from '../src/server/metrics.js'
import { packageRoot } from '../src/util.js'

/** What a Zeek node serves, of its core and of its script misc/stats, as far as it is used. */
const ofNodes = [
  'zeek_version_info',
  'zeek_net_received_packets_total',
  'zeek_net_dropped_packets_total',
  'zeek_net_link_packets_total',
  'zeek_net_packet_lag_seconds',
  'zeek_active_sessions',
  'process_resident_memory_bytes',
  'process_cpu_user_seconds_total',
  'process_cpu_system_seconds_total',
  'process_start_time_seconds'
]

/** What the controller serves; nothing is read. */
function ofController(): string[] {
  const metrics = new Metrics()
  metrics.observe({ access: { certificates: {} } } as any)
  return (metrics.registry.getMetricsAsArray() as unknown as { name: string; type: unknown }[]).flatMap(
    ({ name, type }) => (type === 'histogram' ? ['_bucket', '_count', '_sum'].map(end => name + end) : [name])
  )
}
const known = new Set([...ofNodes, ...ofController(), 'up'])

/** The metrics that an expression names: what is neither a function, a label nor a word of the language. */
function metricsOf(expression: string): string[] {
  const bare = expression
    .replace(/^label_values\((.*), \w+\)$/, '$1')
    .replace(/"[^"]*"/g, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]|\b(by|on|without) \([^)]*\)/g, ' ')
  return [...bare.matchAll(/[a-zA-Z_:][\w:]*(?!\w|\s*\()/g)]
    .map(([name]) => name)
    .filter(name => !['and', 'or', 'unless', 'sum', 'e9', 'e'].includes(name))
}

/** Every text under one of these names in a document. */
function* textsAt(names: readonly string[], value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (names.includes(key) && typeof member === 'string') yield member
    else yield* textsAt(names, member)
  }
}
const read = (file: string) => readFileSync(join(packageRoot, 'docs', 'prometheus', file), 'utf8')
const unknownIn = (expressions: readonly string[]) => expressions.flatMap(metricsOf).filter(name => !known.has(name))

await t.test('the metrics of an expression are found', async t => {
  t.same(metricsOf('sum by (state) (rate(a_total{x=~"b|c", y="d_e"}[5m])) / time() > 16e9 and f_g == 0 or vector(0)'), [
    'a_total',
    'f_g'
  ])
  t.same(metricsOf('label_values(a_b{c="$d"}, e)'), ['a_b'])
  t.same(unknownIn(['rate(zeek_net_eaten_packets_total[5m])']), ['zeek_net_eaten_packets_total'])
})

await t.test('the alerts are about metrics that there are', async t => {
  const { groups } = parse(read('alerts.yml'))
  const rules = groups.flatMap(({ rules }: { rules: any[] }) => rules)
  t.ok(rules.length > 10)
  t.equal(new Set(rules.map(({ alert }: any) => alert)).size, rules.length)
  for (const { alert, expr, labels, annotations } of rules) {
    t.ok(metricsOf(expr).length > 0 && labels.severity && annotations.summary && annotations.description, alert)
    t.same(unknownIn([expr]), [], alert)
  }
})

await t.test('the dashboard is about metrics that there are', async t => {
  const dashboard = JSON.parse(read('dashboard.json'))
  const expressions = [...textsAt(['expr', 'definition'], dashboard)]
  t.ok(expressions.length > 20 && dashboard.schemaVersion >= 36)
  t.same(unknownIn(expressions), [])
  const ids = dashboard.panels.map(({ id }: any) => id)
  t.equal(new Set(ids).size, ids.length)
  t.same(
    [...new Set(dashboard.panels.flatMap((panel: any) => [panel.datasource?.uid ?? []].flat()))],
    // eslint-disable-next-line no-template-curly-in-string -- Grafana's own placeholder
    ['${datasource}'],
    'each installation has its own data source'
  )
})

await t.test('the example of a scrape configuration reads what there is', async t => {
  const { scrape_configs: jobs, rule_files: files } = parse(read('prometheus.yml'))
  t.same(files, ['alerts.yml'])
  t.same(
    jobs.map(({ job_name: name }: any) => name),
    ['zeek-cluster', 'zeek']
  )
  t.match(jobs[1].http_sd_configs[0].url, /\/v1\/prometheus\/targets\?proxy=true$/)
})
