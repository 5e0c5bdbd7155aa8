import type { Latency } from './load.js'
import type { Sampler } from './sampler.js'
import { fit, percentile } from './slope.js'
import type { Life } from './verdict.js'

/** How it goes, in a line. */
export function summary({ latest }: Sampler, latencies: readonly Latency[]): string {
  if (!latest) return ''
  const { processes, databaseMb, walMb, metrics, zombies } = latest
  const recent = latencies.filter(({ at }) => at > Date.now() - 30_000).map(({ ms }) => ms)
  const used = Object.entries(processes)
    .filter(([name]) => !name.startsWith('supervisor'))
    .map(([name, { rssMb, fds }]) => `${name} ${rssMb.toFixed(0)} MB ${fds} fds`)
  return `${used.join(', ')}; database ${databaseMb.toFixed(1)} + ${walMb.toFixed(1)} MB, ${metrics['zeek_cluster_events_total'] ?? '-'} events, ${metrics['zeek_cluster_event_streams'] ?? '-'} streams, p50 ${percentile(recent, 0.5).toFixed(0)} ms, p99 ${percentile(recent, 0.99).toFixed(0)} ms${zombies.length > 0 ? `, zombies ${zombies.join(' ')}` : ''}`
}

interface Result {
  machine: string
  seed: number
  seconds: number
  times: Record<string, [number, number]>
  figures: Record<string, number>
  kept: Record<string, number>
  troubles: Record<string, number>
  latencies: Latency[]
  lives: Life[]
  samples: Sampler['samples']
  problems: string[]
}

/** All of it, in Markdown. */
export function table({
  machine,
  seed,
  seconds,
  times,
  figures,
  kept,
  troubles,
  latencies,
  lives,
  samples,
  problems
}: Result): string {
  const span = Object.values(times).reduce((sum, [from, to]) => sum + to - from, 0) / 1000
  const [from, to] = times['steady']!
  const within = latencies.filter(({ at }) => at >= from && at <= to).map(({ ms }) => ms)
  const all = latencies.map(({ ms }) => ms)
  const most = (what: (sample: Sampler['samples'][number]) => number) => Math.max(...samples.map(what))
  const rate = (name: string) => `${figures[name]} (${(figures[name]! / span).toFixed(1)}/s)`
  const spread = (values: readonly number[]) =>
    `${percentile(values, 0.5).toFixed(0)} / ${percentile(values, 0.99).toFixed(0)} / ${Math.max(0, ...values).toFixed(0)} ms`
  const rows = [
    ['', `${seconds} s, seed ${seed}, ${machine}`],
    ['---', '---'],
    [
      'troubles',
      Object.entries(troubles)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ')
    ],
    [
      'requests',
      `${rate('requests')}; interrupted ${figures['interrupted']}, timed out ${figures['timed out']}, expired ${figures['expired']}; connections lost ${figures['connections lost']}`
    ],
    ['events written', `${rate('events')}; audit entries ${figures['audit entries']}`],
    [
      'events seen',
      `${rate('events seen')} on ${figures['streams']} streams; ${figures['frames']} messages over WebSockets`
    ],
    [
      'left in the store',
      Object.entries(kept)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ')
    ],
    [
      'database, WAL (most)',
      `${most(({ databaseMb }) => databaseMb).toFixed(1)} MB, ${most(({ walMb }) => walMb).toFixed(1)} MB`
    ],
    ['get_nodes, p50 / p99 / most', `${spread(within)} without kills; ${spread(all)} in all`],
    [
      'readers cut off in the steady time',
      String(
        Math.max(
          0,
          ...samples
            .filter(({ phase }) => phase === 'steady')
            .map(({ metrics }) => metrics['zeek_cluster_event_streams_stalled_total'] ?? 0)
        )
      )
    ],
    ...lives.map(({ name, rss, heap, code, before, after }) => [
      name,
      [
        `RSS ${last(rss)} MB, ${slope(rss)}`,
        `heap ${last(heap)} MB, ${slope(heap)}`,
        `code ${last(code)} MB, ${slope(code)}`,
        `at rest ${Object.entries(after)
          .map(([handle, count]) => `${handle} ${before[handle] ?? 0} → ${count}`)
          .join(', ')}`
      ].join('; ')
    ]),
    ['problems', String(problems.length)]
  ]
  return rows.map(row => `| ${row.join(' | ')} |`).join('\n')
}

const last = (series: Life['rss']) => (series.at(-1)?.[1] ?? 0).toFixed(1)
const slope = (series: Life['rss']) =>
  `${fit(series).perHour.toFixed(1)} MB/h (later half ${fit(series.slice(Math.floor(series.length / 2))).perHour.toFixed(1)})`
