/**
 * Clients that POST over connections that they keep, written with bare sockets so that they cost little. Told what to
 * do, it
 * tells what was answered: as fast as answers come, or at times that do not depend on them.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { quantiles } from '../row.js'

export interface PostsJob {
  port: number
  path: string
  body: string
  connections: number
  ms: number
  /** In a second, at even times; as many as there are answers without. */
  rate?: number
}

/** Latencies are from the time at which a request should have been sent. */
export interface PostsResult {
  rate: number
  latency: ReturnType<typeof quantiles>
  reqids: string[]
}

class Client {
  #socket: Socket
  #text = ''
  #answered: (reqid: string) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true).on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new Client(socket)
  }

  post(request: Buffer, answered: (reqid: string) => void): void {
    this.#answered = answered
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#text += chunk.toString('latin1')
    const head = this.#text.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1])
    if (this.#text.length < head + 4 + length) return
    const text = this.#text
    this.#text = ''
    if (!text.startsWith('HTTP/1.1 202 ')) throw new Error(`it was answered ${text}`)
    const at = text.indexOf('"reqid":"', head) + 9
    this.#answered(text.slice(at, at + 36))
  }
}

async function load({ port, path, body, connections, ms, rate }: PostsJob): Promise<PostsResult> {
  const request = Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
  const clients = await Promise.all(Array.from({ length: connections }, () => Client.connect(port)))
  const reqids: string[] = []
  const latencies: number[] = []
  const started = performance.now()
  const post = (client: Client, due: number, next: (client: Client) => void) =>
    client.post(request, reqid => {
      latencies.push(performance.now() - due)
      reqids.push(reqid)
      next(client)
    })
  if (rate === undefined) {
    await Promise.all(
      clients.map(
        client =>
          new Promise<void>(resolve => {
            const next = () => (performance.now() - started < ms ? post(client, performance.now(), next) : resolve())
            next()
          })
      )
    )
  } else {
    const idle = [...clients]
    const due: number[] = []
    const total = Math.floor((rate * ms) / 1000)
    let scheduled = 0
    await new Promise<void>(resolve => {
      const serve = (client: Client) => {
        if (due.length > 0) post(client, due.shift()!, serve)
        else if (idle.push(client) === connections && scheduled === total) resolve()
      }
      const tick = () => {
        for (
          const now = performance.now();
          scheduled < total && started + (scheduled * 1000) / rate <= now;
          scheduled++
        ) {
          due.push(started + (scheduled * 1000) / rate)
          if (idle.length > 0) serve(idle.shift()!)
        }
        if (scheduled < total) setImmediate(tick)
        else if (idle.length === connections) resolve()
      }
      tick()
    })
  }
  const elapsed = performance.now() - started
  for (const client of clients) client.close()
  return { rate: (reqids.length / elapsed) * 1000, latency: quantiles(latencies), reqids }
}

process.on('message', (job: PostsJob) => {
  void load(job).then(result => process.send!(result))
})
process.on('disconnect', () => process.exit())
