import type { StreamsResult } from './loads/streams.js'
import { geometricMean, median, type Bench, type Row } from './row.js'
import { serverOf, startBaseline, startReaders, startStreamers, type Streamer, type StreamerName } from './streamers.js'

const shapes = { steady: { rate: 50, burst: 1 }, bursts: { rate: 1, burst: 100 } } as const
type Shape = keyof typeof shapes

interface Plan {
  clients: number
  rounds: number
  ms: Record<Shape, number>
  others: readonly StreamerName[]
  aims: Partial<Record<Shape, Partial<Record<StreamerName, number>>>>
}

const plans: readonly Plan[] = [
  {
    clients: 100,
    rounds: 2,
    ms: { steady: 2000, bursts: 2000 },
    others: ['naive', 'nchan'],
    aims: { steady: { nchan: 1.2 }, bursts: { nchan: 1.2 } }
  },
  {
    clients: 1000,
    rounds: 2,
    ms: { steady: 3000, bursts: 2000 },
    others: ['naive', 'nchan', 'better-sse'],
    aims: { steady: { naive: 0.55, nchan: 1.15 }, bursts: { naive: 0.05, nchan: 0.1 } }
  },
  { clients: 5000, rounds: 1, ms: { steady: 2000, bursts: 0 }, others: ['nchan'], aims: {} }
]

/**
 * What it costs to send one event to many. Ours is written to disk before it is sent; the others keep none, or (nchan)
 * 4000 in memory.
 */
export const bench: Bench = async function* ({ quick, say }) {
  const readers = startReaders()
  const servers = await startStreamers(['ours', 'naive', 'better-sse', 'nchan'], say)
  try {
    const ceiling = await ceilingOf(readers, quick)
    let hardest = 0
    for (const { clients, rounds, ms, others, aims } of quick ? plans.slice(0, 1) : plans) {
      const results = new Map<string, StreamsResult[]>()
      const taking = servers.filter(({ name }) => name === 'ours' || others.includes(name as StreamerName))
      for (let round = 0; round < (quick ? 1 : rounds); round++) {
        for (const server of round % 2 === 0 ? taking : [...taking].reverse()) {
          // It is slow, and not what we are compared with by the aims.
          if (server.name === 'better-sse' && round > 0) continue
          say(`${clients} clients, ${server.name}`)
          for (const [shape, result] of Object.entries(await measure(readers, server, clients, ms, quick))) {
            const all = results.get(`${server.name} ${shape}`) ?? []
            results.set(`${server.name} ${shape}`, [...all, result])
            if (shape === 'steady') hardest = Math.max(hardest, result.deliveries / result.seconds)
          }
        }
      }
      for (const shape of Object.keys(shapes) as Shape[]) {
        const ours = results.get(`ours ${shape}`)
        if (!ours) continue
        const detail = (of: StreamsResult[]) =>
          of.map(({ latency, deliveries, seconds, load, cpu }) => ({
            cpu,
            latency,
            deliveries_per_second: deliveries / seconds,
            load
          }))
        for (const other of others) {
          const theirs = results.get(`${other} ${shape}`)
          const atMost = aims[shape]?.[other]
          if (theirs) {
            yield {
              what: `${clients} clients, ${shape === 'steady' ? '50 events/s' : 'bursts of 100'}`,
              figure: 'CPU us per delivery',
              ours: median(ours.map(({ cpu }) => cpu)),
              baseline: other,
              theirs: median(theirs.map(({ cpu }) => cpu)),
              ...(atMost === undefined ? {} : { aim: { atMost } }),
              rounds: theirs.map(({ cpu }, round) => ours[round]!.cpu / cpu),
              detail: { ours: detail(ours), [other]: detail(theirs) }
            }
          }
        }
        if (shape === 'steady') yield keptUp(clients, ours)
      }
    }
    yield {
      what: 'the readers themselves',
      figure: 'deliveries/s',
      ours: hardest,
      baseline: 'what they can take',
      theirs: ceiling,
      aim: { atMost: 0.8 }
    }
  } finally {
    readers.stop()
    for (const server of servers) await server.stop()
  }
}

/**
 * Whether what was offered was delivered in time: with a server that falls behind, it takes longer the longer it goes
 * on.
 */
function keptUp(clients: number, results: readonly StreamsResult[]): Row {
  const rate = geometricMean(results.map(({ deliveries, seconds }) => deliveries / seconds))
  return {
    what: `${clients} clients, 50 events/s`,
    figure: 'deliveries/s',
    ours: rate,
    baseline: 'offered',
    theirs: clients * 50,
    aim: { atLeast: 0.9 },
    detail: { latency: results.map(({ latency }) => latency) }
  }
}

async function measure(
  readers: ReturnType<typeof startReaders>,
  server: Streamer,
  clients: number,
  ms: Record<Shape, number>,
  quick: boolean
): Promise<Partial<Record<Shape, StreamsResult>>> {
  const results: Partial<Record<Shape, StreamsResult>> = {}
  await readers.do({ do: 'open', server: serverOf(server), count: clients })
  // As a server is that has run for a while.
  await readers.do({
    do: 'run',
    pids: server.pids,
    rate: 50,
    burst: Math.max(1, 1000 / clients),
    ms: quick ? 100 : 1000
  })
  for (const shape of Object.keys(shapes) as Shape[]) {
    if (ms[shape] > 0) {
      results[shape] = await readers.do({ do: 'run', pids: server.pids, ...shapes[shape], ms: quick ? 600 : ms[shape] })
    }
  }
  await readers.do({ do: 'close' })
  return results
}

/** How many events the readers can take in a second. */
async function ceilingOf(readers: ReturnType<typeof startReaders>, quick: boolean): Promise<number> {
  const stub = await startBaseline('stub')
  await readers.do({ do: 'open', server: serverOf(stub), count: quick ? 100 : 1000 })
  stub.go()
  const { deliveries, seconds } = await readers.do({ do: 'count', pids: stub.pids, ms: quick ? 500 : 2000 })
  await readers.do({ do: 'close' })
  await stub.stop()
  return deliveries / seconds
}
