import { setTimeout as sleep } from 'node:timers/promises'
import { cpuOf, residentOf } from './process.js'
import type { Bench } from './row.js'
import { serverOf, startReaders, startStreamers } from './streamers.js'

/** What it costs to accept an event stream, and to keep one that nothing is sent on. */
export const bench: Bench = async function* ({ quick, say }) {
  const streams = quick ? 500 : 10_000
  const idleMs = quick ? 300 : 6000
  const readers = startReaders()
  const servers = await startStreamers(['ours', 'naive', 'nchan'], say)
  const measured: { name: string; accept: number; bytes: number; idle: number }[] = []
  try {
    for (const server of servers) {
      say(`${streams} streams, ${server.name}`)
      // As a server is that has run for a while.
      for (let n = 0; n < (quick ? 1 : 3); n++) {
        await readers.do({ do: 'open', server: serverOf(server), count: streams / 10 })
        await readers.do({ do: 'close' })
      }
      const [cpu, resident] = [cpuOf(...server.pids), residentOf(...server.pids)]
      await readers.do({ do: 'open', server: serverOf(server), count: streams })
      const opened = cpuOf(...server.pids)
      await sleep(idleMs)
      measured.push({
        name: server.name,
        accept: (opened - cpu) / streams,
        bytes: (residentOf(...server.pids) - resident) / streams,
        // Of a core.
        idle: (cpuOf(...server.pids) - opened) / (idleMs * 1000)
      })
      await readers.do({ do: 'close' })
    }
    const [ours, ...others] = measured
    for (const theirs of others) {
      const row = { what: `${streams} idle streams`, baseline: theirs.name }
      yield { ...row, figure: 'bytes for each', ours: ours!.bytes, theirs: theirs.bytes }
      yield {
        ...row,
        figure: 'CPU us to accept one',
        ours: ours!.accept,
        theirs: theirs.accept,
        ...(theirs.name === 'nchan' ? { aim: { atMost: 3 } } : {})
      }
      yield { ...row, figure: '% of a core', ours: ours!.idle * 100, theirs: theirs.idle * 100 }
    }
    yield {
      what: `${streams} idle streams`,
      figure: 'bytes for each',
      ours: ours!.bytes,
      baseline: '8 KiB',
      theirs: 8192,
      aim: { atMost: 1 }
    }
  } finally {
    readers.stop()
    for (const server of servers) await server.stop()
  }
}
