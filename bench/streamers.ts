import { hasNchan, startNchan } from './baselines/nchan.js'
import { startController } from './controller.js'
import type { StreamServer, StreamsJob, StreamsResult } from './loads/streams.js'
import { startOurs, stop, told } from './process.js'

/** A server that streams events, ours or another, on the core that is measured. */
export interface Streamer extends StreamServer {
  name: string
  pids: number[]
  stop: () => Promise<void>
}

export type StreamerName = 'ours' | 'naive' | 'better-sse' | 'nchan'

const starters: Record<StreamerName, () => Promise<Omit<Streamer, 'name'>>> = {
  ours: async () => {
    const { port, agentPort, pid, stop } = await startController()
    return { port, path: '/v1/events', publish: { agentPort }, pids: [pid], stop }
  },
  naive: async () => await startBaseline('naive'),
  'better-sse': async () => await startBaseline('better-sse'),
  nchan: async () => ({ ...(await startNchan()), path: '/stream', publish: { path: '/publish' } })
}

export async function startBaseline(name: string): Promise<Omit<Streamer, 'name'> & { go: () => void }> {
  const child = startOurs(0, './baselines/streams.js', [name])
  return {
    port: await told<number>(child),
    path: '/stream',
    publish: { path: '/publish' },
    pids: [child.pid!],
    stop: () => stop(child),
    go: () => {
      child.send('go')
    }
  }
}

/** Starts those that there are; says which are not. */
export async function startStreamers(names: readonly StreamerName[], say: (line: string) => void): Promise<Streamer[]> {
  const streamers: Streamer[] = []
  for (const name of names) {
    if (name === 'nchan' && !hasNchan) {
      say('nginx with nchan is not installed (Debian: nginx, libnginx-mod-nchan): its rows are left out')
    } else streamers.push({ name, ...(await starters[name]()) })
  }
  return streamers
}

/** The process that reads the streams. */
export function startReaders(): { do: (job: StreamsJob) => Promise<StreamsResult>; stop: () => void } {
  const load = startOurs(1, './loads/streams.js')
  return {
    do: async job => {
      load.send(job)
      return await told(load)
    },
    stop: () => load.disconnect()
  }
}

export const serverOf = ({ port, path, publish }: StreamServer): StreamServer => ({ port, path, publish })
