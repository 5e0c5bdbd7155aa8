import { on } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientConversations } from '../test/support/recordings.js'
import { noZeek, startZeek } from './baselines/zeek.js'
import { startHost } from './host.js'
import type { MessagesJob, MessagesResult } from './loads/messages.js'
import { startOurs, told } from './process.js'
import { median, type Bench, type Row } from './row.js'
import { answered, connect, requestOf } from './websocket.js'

const baseline = "Zeek's own controller"
/** Of the recordings: five nodes of one instance. */
const agent = 'agent-testbox'
const [staging, deploying] = ['stage-config cluster.cfg', 'deploy'].map(command =>
  JSON.stringify(clientConversations.find(({ name }) => name === `zeek-client ${command}`)!.frames[2]!.frame)
)
/** How long Zeek's own may take until its agent is known to it, and anything else. */
const patienceMs = 60_000

/** Limits that only a bench reaches are off, and all nodes are started together, as Zeek's own does. */
const asZeeks = {
  'controller-deploy-strategy': 'at_once',
  'controller-requests-rate-max': 0,
  'controller-pending-per-client': 100_000
}

/** A host with controller and agent: ours, or Zeek's own. */
interface Host {
  port: number
  stop: () => Promise<void>
}
const starts = {
  ours: async (): Promise<Host> => await ready(await startHost({ flags: { 'agent-name': agent, ...asZeeks } })),
  theirs: async (): Promise<Host> => await ready(await startZeek(agent))
}
type Whose = keyof typeof starts
const turns: readonly Whose[] = ['ours', 'theirs']

/**
 * This controller and its agent beside Zeek's own, which was part of Zeek until 9.0: with the same frames, on the same
 * machine, in turns, with real nodes. Each has all of the machine, beside the load.
 */
export const bench: Bench = async function* ({ quick, say }) {
  if (noZeek !== undefined) return say(noZeek)
  yield* questions(quick, say)
  yield* deployments(quick ? 1 : 5, say)
}

/** How often questions are answered. */
async function* questions(quick: boolean, say: (line: string) => void): AsyncGenerator<Row> {
  const hosts: Partial<Record<Whose, Host>> = {}
  const load = startOurs(1, './loads/messages.js')
  try {
    for (const whose of turns) hosts[whose] = await starts[whose]()
    for (const [type, aims] of [
      ['get_instances', [2, 1.3, 4]],
      ['get_nodes', [10, 10, 10]]
    ] as const) {
      for (const [at, [connections, inFlight]] of [
        [1, 1],
        [1, 16],
        [4, 16]
      ].entries() as ArrayIterator<[number, [number, number]]>) {
        say(`${type} ${connections} x ${inFlight}`)
        const rates: Record<Whose, number[]> = { ours: [], theirs: [] }
        for (let round = -1; round < (quick ? 1 : 5); round++) {
          for (const whose of turns) {
            const { port } = hosts[whose]!
            load.send({ port, type, connections, inFlight, ms: quick ? 200 : 1000 } satisfies MessagesJob)
            const { rate } = await told<MessagesResult>(load)
            // The first is for the compiler.
            if (round >= 0) rates[whose].push(rate)
          }
        }
        const what = `${type}, WebSocket, ${connections} x ${inFlight} in flight`
        yield rowOf({ what, figure: 'answers/s', aim: { atLeast: aims[at]! } }, rates)
      }
    }
  } finally {
    load.disconnect()
    await Promise.all(Object.values(hosts).map(host => host.stop()))
  }
}

/** How long a first deployment takes of five nodes, until all of them run. */
async function* deployments(rounds: number, say: (line: string) => void): AsyncGenerator<Row> {
  const took: Record<Whose, number[]> = { ours: [], theirs: [] }
  for (let round = 0; round < rounds; round++) {
    for (const whose of turns) {
      say(`deployment ${round + 1}, ${whose}`)
      const host = await starts[whose]()
      try {
        await exchange(host, staging!)
        took[whose].push((await exchange(host, deploying!)).ms / 1000)
      } finally {
        await host.stop()
      }
    }
  }
  yield rowOf({ what: 'a first deployment of five nodes', figure: 's', aim: { atMost: 1.2 } }, took)
}

function rowOf(row: Pick<Row, 'what' | 'figure' | 'aim'>, { ours, theirs }: Record<Whose, number[]>): Row {
  const rounds = ours.map((one, round) => one / theirs[round]!)
  return { ...row, ours: median(ours), baseline, theirs: median(theirs), rounds }
}

/** Resolves once the controller of a host knows its agent. */
async function ready<H extends Host>(host: H): Promise<H> {
  const deadline = performance.now() + patienceMs
  while (performance.now() < deadline) {
    const known = await exchange(host, requestOf('get_instances', 'ready')).catch(() => undefined)
    if (known?.text.includes(agent)) return host
    await sleep(50)
  }
  await host.stop()
  throw new Error(`the controller has not met its agent in ${patienceMs / 1000} s`)
}

/** Asks as zeek-client does. Throws when it is no success. */
async function exchange({ port }: Host, frame: string): Promise<{ text: string; ms: number }> {
  const { socket } = await connect(port)
  try {
    const signal = AbortSignal.timeout(patienceMs)
    const begun = performance.now()
    socket.send(frame)
    for await (const [data] of on(socket, 'message', { signal })) {
      const text = String(data)
      if (answered(text) !== undefined) return { text, ms: performance.now() - begun }
    }
    throw new Error('the connection has ended')
  } finally {
    socket.terminate()
  }
}
