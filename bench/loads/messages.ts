/** Clients of the WebSocket API. Told what to do, it tells how many answers came in a second. */
import { once } from 'node:events'
import { WebSocket } from 'ws'

export interface MessagesJob {
  port: number
  type: string
  connections: number
  /** Requests that each connection has under way. */
  inFlight: number
  ms: number
}

/** `answer`: the text of one, with REQID for its ID. */
export interface MessagesResult {
  rate: number
  answers: number
  ack: string
  answer: string
}

const topic = 'zeek/management/controller'

const requestOf = (type: string, reqid: string) =>
  JSON.stringify({
    type: 'data-message',
    topic,
    '@data-type': 'vector',
    data: [
      { '@data-type': 'count', data: 1 },
      { '@data-type': 'count', data: 1 },
      {
        '@data-type': 'vector',
        data: [
          { '@data-type': 'string', data: `Management::Controller::API::${type}_request` },
          { '@data-type': 'vector', data: [{ '@data-type': 'string', data: reqid }] }
        ]
      }
    ]
  })

async function connect(port: number): Promise<{ socket: WebSocket; ack: string }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/messages/json`, { perMessageDeflate: false })
  await once(socket, 'open')
  socket.send(JSON.stringify([topic]))
  const [ack] = await once(socket, 'message')
  return { socket, ack: String(ack) }
}

/** As every client reads it: parsed. An answer that is no success ends the bench. */
function isAnswer(text: string, reqid: string): boolean {
  const [name, args] = JSON.parse(text).data[2].data
  if (!name.data.endsWith('_response') || args.data[0].data !== reqid) return false
  const [result] = [args.data[1].data].flat()
  if ((result['@data-type'] === 'vector' ? result.data[1] : args.data[1].data[1]).data !== true) {
    throw new Error(`it has failed: ${text}`)
  }
  return true
}

async function load({ port, type, connections, inFlight, ms }: MessagesJob): Promise<MessagesResult> {
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(port)))
  let asked = 0
  let answers = 0
  let running = true
  let last = ''
  const drained = clients.map(
    ({ socket }, index) =>
      new Promise<void>(resolve => {
        const request = requestOf(type, `bench-${index}`)
        let open = inFlight
        const ask = () => {
          asked++
          socket.send(request)
        }
        socket.on('message', (data: Buffer) => {
          const text = data.toString()
          if (!isAnswer(text, `bench-${index}`)) return
          answers++
          last = text.replaceAll(`bench-${index}`, 'REQID')
          if (running) ask()
          else if (--open === 0) resolve()
        })
        for (let n = 0; n < inFlight; n++) ask()
      })
  )
  const started = performance.now()
  await new Promise(resolve => setTimeout(resolve, ms))
  const rate = (answers / (performance.now() - started)) * 1000
  running = false
  await Promise.all(drained)
  for (const { socket } of clients) socket.terminate()
  if (answers !== asked) throw new Error(`${asked} were asked, ${answers} answered`)
  return { rate, answers, ack: clients[0]!.ack, answer: last }
}

process.on('message', (job: MessagesJob) => {
  void load(job).then(result => process.send!(result))
})
process.on('disconnect', () => process.exit())
