import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clusterOf, deploy, nodesOfEach } from './cluster.js'
import { freePort, startController } from './controller.js'
import type { AgentsJob } from './loads/agents.js'
import type { StreamsJob, StreamsResult } from './loads/storm.js'
import { startOurs, told } from './process.js'
import type { Bench } from './row.js'

/**
 * Agents and streams that come back, all at once, to a controller that was killed and is started again. The baseline is
 * how the same
 * agents and streams came to it first: the agents when it was empty, while it was starting; then the streams, when
 * nothing happened.
 */
export const bench: Bench = async function* ({ quick, say }) {
  const [agents, streams] = quick ? [100, 200] : [1000, 2000]
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  const ports = [await freePort(), await freePort()] as const
  const agentLoad = startOurs(1, './loads/agents.js')
  const streamLoad = startOurs(1, './loads/storm.js')
  const agentsDo = async (job: AgentsJob) => {
    agentLoad.send(job)
    await told(agentLoad)
  }
  const streamsDo = async (job: StreamsJob): Promise<StreamsResult> => {
    streamLoad.send(job)
    return await told(streamLoad)
  }
  const launch = () => startController({ 'controller-events-heartbeat': 1_000_000 }, { directory, ports })
  const began = performance.now()
  const coming = agentsDo({ type: 'keep', port: ports[1], count: agents })
  let controller = await launch()
  try {
    await coming
    const first = { seconds: (performance.now() - began) / 1000, cpu: controller.cpu() / 1e6 }
    say(`${agents} agents are there after ${first.seconds.toFixed(1)} s; deploying`)
    await deploy(controller, clusterOf(agents, 'storm'))
    await agentsDo({ type: 'tell' })
    const before = { ms: performance.now(), cpu: controller.cpu(), from: await cursorOf(controller) }
    await streamsDo({ type: 'keep', port: ports[0], count: streams, from: before.from })
    first.seconds += (performance.now() - before.ms) / 1000
    first.cpu += (controller.cpu() - before.cpu) / 1e6
    const resident = controller.resident() / 2 ** 20

    say('killed in the middle of a thousand events')
    agentLoad.send({ type: 'log' } satisfies AgentsJob)
    await new Promise(resolve => setTimeout(resolve, 50))
    const killed = performance.now()
    process.kill(controller.pid, 'SIGKILL')
    await controller.stop({ keep: true, signal: 'SIGKILL' })
    controller = await launch()
    await agentsDo({ type: 'settled' })
    const settled = (performance.now() - killed) / 1000
    const { events, deliveries } = await streamsDo({ type: 'await', hellos: agents, changes: nodesOfEach * agents })
    const seconds = (performance.now() - killed) / 1000
    const detail = { first, settled, events, deliveries }
    const what = `${agents} agents, ${streams} streams after kill -9`
    const baseline = 'the first time'
    yield { what, figure: 's until all in sync', ours: seconds, baseline, theirs: first.seconds, detail }
    yield { what, figure: 'CPU s', ours: controller.cpu() / 1e6, baseline, theirs: first.cpu, detail }
    yield { what, figure: 'MB resident', ours: controller.resident() / 2 ** 20, baseline, theirs: resident, detail }
    say(`${events} events, ${deliveries} deliveries; agents were in sync after ${settled.toFixed(1)} s`)
  } finally {
    for (const load of [agentLoad, streamLoad]) if (load.connected) load.disconnect()
    await controller.stop()
  }
}

/** Of the newest event, once nothing has happened for a while. */
async function cursorOf({ url }: { url: string }): Promise<string> {
  for (let cursor = ''; ;) {
    await new Promise(resolve => setTimeout(resolve, 200))
    const { event_cursor: now } = (await (await fetch(`${url}/v1/requests?limit=1`)).json()) as { event_cursor: string }
    if (now === cursor) return cursor
    cursor = now
  }
}
