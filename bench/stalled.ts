import { liveOf } from './heap.js'
import type { StreamsResult } from './loads/streams.js'
import { median, type Bench } from './row.js'
import { serverOf, startReaders, startStreamers } from './streamers.js'

/** Frames that together fill the buffers that the kernel has for a reader that takes nothing. */
const fill = { rate: 50, burst: 1, ms: 2000, size: 60_000 }
/** As many as the controller keeps in memory, so that it keeps the same whoever was there. */
const others = { rate: 10, burst: 110, ms: 1000 }

/** What readers that take nothing cost the others, and the controller. */
export const bench: Bench = async function* ({ quick, say }) {
  const clients = quick ? 100 : 1000
  const stalled = clients / 10
  const readers = startReaders()
  const [ours] = await startStreamers(['ours'], say)
  const { pids } = ours!
  const measure = async (stalled: number): Promise<StreamsResult & { live: number }> => {
    say(`${clients} clients, ${stalled} of them stalled`)
    const open = { do: 'open', server: serverOf(ours!) } as const
    await readers.do({ ...open, count: clients - stalled })
    if (stalled > 0) await readers.do({ ...open, count: stalled, stalled: true })
    await readers.do({ do: 'run', pids, ...fill, ...(quick ? { ms: 400 } : {}) })
    await readers.do({ do: 'run', pids, rate: 50, burst: 1, ms: 500 })
    const result = await readers.do({ do: 'run', pids, rate: 50, burst: 1, ms: quick ? 400 : 4000 })
    await readers.do({ do: 'run', pids, ...others })
    const live = await liveOf(pids[0]!)
    await readers.do({ do: 'close' })
    return { ...result, live }
  }
  try {
    const without: (StreamsResult & { live: number })[] = []
    const within: typeof without = []
    // The first one is to warm up.
    if (!quick) await measure(0)
    for (let round = 0; round < (quick ? 1 : 2); round++) {
      without.push(await measure(0))
      within.push(await measure(stalled))
    }
    const what = `${clients} clients, 10 % of them stalled`
    const p99 = (all: readonly StreamsResult[]) => median(all.map(({ latency }) => latency.p99))
    yield {
      what,
      figure: 'p99 ms of the others',
      ours: p99(within),
      baseline: 'none stalled',
      theirs: p99(without),
      aim: { atMost: 1.2 },
      rounds: within.map(({ latency }, round) => latency.p99 / without[round]!.latency.p99),
      detail: { ours: within.map(({ latency }) => latency), without: without.map(({ latency }) => latency) }
    }
    // A stalled reader is compared with one that reads; both have what an open stream has.
    const bytes = within.map(({ live }, round) => (live - without[round]!.live) / stalled)
    yield {
      what,
      figure: 'bytes for each',
      ours: median(bytes),
      baseline: '4 KiB',
      theirs: 4096,
      aim: { atMost: 1 },
      detail: { bytes }
    }
  } finally {
    readers.stop()
    await ours!.stop()
  }
}
