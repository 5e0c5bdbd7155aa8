/** Clients of the WebSocket API. Told what to do, it tells how many answers came in a second. */
import { answered, connect, requestOf } from '../websocket.js'

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

async function load({ port, type, connections, inFlight, ms }: MessagesJob): Promise<MessagesResult> {
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(port)))
  let asked = 0
  let answers = 0
  let running = true
  let last = ''
  const drained = clients.map(
    ({ socket }, index) =>
      new Promise<void>(resolve => {
        // An ID is used again once it was answered: Zeek's own controller knows a request by it.
        const reqids = Array.from({ length: inFlight }, (_, n) => `bench-${index}-${n}`)
        const requests = new Map(reqids.map(reqid => [reqid, requestOf(type, reqid)]))
        let open = inFlight
        const ask = (request: string) => {
          asked++
          socket.send(request)
        }
        socket.on('message', (data: Buffer) => {
          const text = data.toString()
          const reqid = answered(text)
          const request = reqid === undefined ? undefined : requests.get(reqid)
          if (request === undefined) return
          answers++
          last = text.replaceAll(reqid!, 'REQID')
          if (running) ask(request)
          else if (--open === 0) resolve()
        })
        for (const request of requests.values()) ask(request)
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
