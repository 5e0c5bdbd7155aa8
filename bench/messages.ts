/**
 * How fast the WebSocket API is: get_instances and get_nodes, with connections x requests in flight on each, beside a
 * server that answers the same frames from a constant. Both are measured in turns, in the same run; the ratio counts.
 *
 *   npm run bench
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'

const rows = [[1, 1], [1, 16], [4, 16]] as const
const requests = ['get_instances', 'get_nodes']
const rounds = 5
const roundMs = 1500
const warmUpMs = 1000

const ports = { http: 27149, agents: 27150 }
const topic = 'zeek/management/controller'

const requestOf = (type: string, reqid: string) => JSON.stringify({
  type: 'data-message', topic, '@data-type': 'vector', data: [
    { '@data-type': 'count', data: 1 }, { '@data-type': 'count', data: 1 },
    { '@data-type': 'vector', data: [{ '@data-type': 'string', data: `Management::Controller::API::${type}_request` }, { '@data-type': 'vector', data: [{ '@data-type': 'string', data: reqid }] }] }
  ]
})

async function connect (port: number): Promise<{ socket: WebSocket, ack: string }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/messages/json`, { perMessageDeflate: false })
  await once(socket, 'open')
  socket.send(JSON.stringify([topic]))
  const [ack] = await once(socket, 'message')
  return { socket, ack: String(ack) }
}

/** As every client reads it: parsed. */
function isAnswer ({ data }: any, reqid: string): boolean {
  const [name, args] = data[2].data
  return name.data.endsWith('_response') && args.data[0].data === reqid
}

/** Answers per second, of so many connections with so many requests in flight on each. */
async function load (port: number, type: string, connections: number, inFlight: number, ms: number): Promise<number> {
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(port)))
  let answers = 0
  let running = true
  const drained = clients.map(({ socket }, index) => new Promise<void>(resolve => {
    const request = requestOf(type, `bench-${index}`)
    let open = inFlight
    socket.on('message', (data: Buffer) => {
      if (!isAnswer(JSON.parse(data.toString()), `bench-${index}`)) return
      answers++
      if (running) socket.send(request)
      else if (--open === 0) resolve()
    })
    for (let n = 0; n < inFlight; n++) socket.send(request)
  }))
  const started = performance.now()
  await new Promise(resolve => setTimeout(resolve, ms))
  const rate = answers / (performance.now() - started) * 1000
  running = false
  await Promise.all(drained)
  for (const { socket } of clients) socket.terminate()
  return rate
}

/** One answer, for the constant. */
async function answerOf (port: number, type: string): Promise<{ ack: string, response: string }> {
  const { socket, ack } = await connect(port)
  socket.send(requestOf(type, 'REQID'))
  const [response] = await once(socket, 'message')
  socket.terminate()
  return { ack, response: String(response) }
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!

const root = fileURLToPath(new URL('../..', import.meta.url))
const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
const controller = spawn(process.execPath, [join(root, 'dist/src/main.js'), 'start', '--management-log-level=error', `--management-state-dir=${directory}`,
  `--controller-websocket-port=${ports.http}`, `--controller-port=${ports.agents}`, `--agent-controller=127.0.0.1:${ports.agents}`, '--agent-name=agent-bench', '--controller-requests-rate-max=0', `--bin=${join(root, 'demo/zeek')}`],
{ stdio: ['ignore', 'pipe', 'inherit'] })
try {
  await once(createInterface(controller.stdout!), 'line')
  for (;;) {
    const { instances } = await (await fetch(`http://127.0.0.1:${ports.http}/v1/instances`)).json() as { instances: { connected: boolean }[] }
    if (instances.some(({ connected }) => connected)) break
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  console.log('request         connections x in flight   ours/s   constant/s   ratio')
  for (const type of requests) {
    const { ack, response } = await answerOf(ports.http, type)
    const constant = fork(fileURLToPath(new URL('constant.js', import.meta.url)), [ack, response])
    const [constantPort] = await once(constant, 'message') as [number]
    for (const [connections, inFlight] of rows) {
      const ours: number[] = []
      const theirs: number[] = []
      await load(ports.http, type, connections, inFlight, warmUpMs)
      await load(constantPort, type, connections, inFlight, warmUpMs)
      for (let round = 0; round < rounds; round++) {
        ours.push(await load(ports.http, type, connections, inFlight, roundMs))
        theirs.push(await load(constantPort, type, connections, inFlight, roundMs))
      }
      const [a, b] = [median(ours), median(theirs)]
      console.log(`${type.padEnd(16)}${`${connections} x ${inFlight}`.padEnd(26)}${a.toFixed(0).padStart(6)}${b.toFixed(0).padStart(13)}${(a / b).toFixed(2).padStart(8)}`)
    }
    constant.disconnect()
  }
} finally {
  controller.kill('SIGTERM')
  await once(controller, 'exit')
  await rm(directory, { recursive: true })
}
