/**
 * Readers of an event stream, and who publishes what they read. Each event carries a number; that of each connection's
 * next event must be the next number, or the load ends with an error.
 *
 * The process looks for work every millisecond and sleeps in between: woken by each packet, it would be the server that
 * is charged for the waking.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SimulatedAgent } from '../agents.js'
import { cpuOf } from '../process.js'
import { quantiles } from '../row.js'

export interface StreamServer {
  port: number
  /** Of the stream. */
  path: string
  /** Where an agent logs what becomes an event; or the path to which an event is posted. */
  publish: { agentPort: number } | { path: string }
}

export type StreamsJob =
  /** Opens that many more streams. `stalled` ones read nothing once they are open. */
  | { do: 'open'; server: StreamServer; count: number; stalled?: boolean }
  /** Publishes `burst` events at once, `rate` times a second, and waits until all have come. `size`: of a frame. */
  | { do: 'run'; pids: number[]; rate: number; burst: number; ms: number; size?: number }
  /** Counts what a server sends that is not told what. */
  | { do: 'count'; pids: number[]; ms: number }
  | { do: 'close' }

export interface StreamsResult {
  deliveries: number
  /** From the first scheduled event to the last delivery. */
  seconds: number
  /** CPU time of the server for each delivery, in microseconds. */
  cpu: number
  /** Of a core, of this process. */
  load: number
  /** From the scheduled time of an event, in milliseconds, of a sample of the readers. */
  latency: ReturnType<typeof quantiles>
}

const mark = '@'.charCodeAt(0)
const digits = 8
const frameSize = 300
/** What of an event is cut in two by the end of a read is put before the next. */
const room = 16
const whole = Buffer.alloc(room + 262_144)
const buffer = whole.subarray(room)

class Reader {
  readonly socket: Socket
  next: number
  count = 0
  isOpen = false
  #kept: Buffer | undefined
  #sampled: boolean

  constructor(server: StreamServer, next: number, sampled: boolean, opened: () => void) {
    this.next = next
    this.#sampled = sampled
    this.socket = connect({
      port: server.port,
      host: '127.0.0.1',
      onread: {
        buffer,
        callback: (length: number) => {
          if (this.isOpen) this.#read(length)
          else if (buffer.indexOf('\r\n\r\n') >= 0) {
            if (buffer.toString('latin1', 9, 12) !== '200') {
              fail(`a stream was refused: ${buffer.toString('latin1', 0, length)}`)
            }
            this.isOpen = true
            buffer.fill(0, 0, length)
            opened()
          }
          return true
        }
      }
    } as any)
    this.socket
      .on('error', error => fail(`a stream broke: ${error.message}`))
      .on('end', () => fail('a stream has ended'))
    this.socket.write(
      `GET ${server.path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAccept: text/event-stream\r\nConnection: keep-alive\r\n\r\n`
    )
  }

  #read(length: number): void {
    const kept = this.#kept
    this.#kept = undefined
    if (kept) kept.copy(whole, room - kept.length)
    const view = whole.subarray(room - (kept?.length ?? 0), room + length)
    for (let at = view.indexOf(mark); at >= 0; at = view.indexOf(mark, at + digits)) {
      if (at + digits >= view.length) {
        this.#kept = Buffer.from(view.subarray(at))
        return
      }
      let seq = 0
      for (let n = at + 1; n <= at + digits; n++) seq = seq * 10 + view[n]! - 48
      if (seq !== this.next) fail(`event ${seq} came where ${this.next} was next`)
      this.next++
      this.count++
      delivered++
      if (this.#sampled) latencies.push(performance.now() - scheduled(seq))
    }
  }
}

let readers: Reader[] = []
let stalled: Reader[] = []
let publishers = 0
let publisher: { publish: (seqs: readonly number[], size: number) => void; close: () => unknown } | undefined
/** The number of the last event. */
let last = 0
let delivered = 0
let latencies: number[] = []
let scheduled = (_seq: number) => 0

function fail(text: string): never {
  console.error(text)
  process.exit(1)
}

const textOf = (seq: number, size: number) =>
  `@${String(seq).padStart(digits, '0')}${'x'.repeat(Math.max(0, size - 174))}`

async function openPublisher({ port, publish }: StreamServer): Promise<NonNullable<typeof publisher>> {
  if ('agentPort' in publish) {
    // Of another instance each time: what one may tell is limited (src/controller/event-allowance.ts).
    const agent = await SimulatedAgent.connect(`bench-${++publishers}`, publish.agentPort)
    return {
      publish: (seqs, size) => {
        for (const seq of seqs) agent.log(textOf(seq, size))
      },
      close: () => agent.close()
    }
  }
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('data', data => {
    if (/HTTP\/1\.1 [^2]/.test(data.toString('latin1'))) fail(`it was not published: ${data.toString('latin1')}`)
  })
  const request = (seq: number, size: number) => {
    const body = JSON.stringify({
      type: 'notify_log',
      instance: 'bench',
      level: 'INFO',
      message: textOf(seq, size),
      cursor: '1xvaq60ufsi34.12345',
      time: new Date().toISOString()
    })
    return `POST ${publish.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  }
  return {
    publish: (seqs, size) => {
      socket.write(seqs.map(seq => request(seq, size)).join(''))
    },
    close: () => socket.destroy()
  }
}

async function open({ server, count, stalled: stalls = false }: StreamsJob & { do: 'open' }): Promise<void> {
  publisher ??= await openPublisher(server)
  const to = stalls ? stalled : readers
  for (let left = count; left > 0; left -= 200) {
    await Promise.all(
      Array.from(
        { length: Math.min(200, left) },
        () =>
          new Promise<void>(resolve => {
            to.push(new Reader(server, last + 1, to.length % Math.ceil(count / 50) === 0, resolve))
          })
      )
    )
  }
  if (stalls) for (const { socket } of stalled) socket.pause()
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

async function run({ pids, rate, burst, ms, size = frameSize }: StreamsJob & { do: 'run' }): Promise<StreamsResult> {
  const first = last + 1
  const total = Math.round((rate * ms) / 1000) * burst
  const expected = total * readers.length
  const usage = process.cpuUsage()
  const before = cpuOf(...pids)
  const started = performance.now() + 5
  scheduled = seq => started + (Math.floor((seq - first) / burst) * 1000) / rate
  delivered = 0
  latencies = []
  for (;;) {
    if (delivered >= expected) break
    const now = performance.now()
    while (last < first + total - 1 && scheduled(last + 1) <= now) {
      publisher!.publish(
        Array.from({ length: burst }, (_, n) => last + 1 + n),
        size
      )
      last += burst
    }
    if (now > started + ms + 60_000) {
      fail(`${delivered} of ${expected} events have come; of the first reader ${readers[0]!.count}`)
    }
    Atomics.wait(sleeper, 0, 0, 1)
    await new Promise(resolve => setImmediate(resolve))
  }
  const seconds = (performance.now() - started) / 1000
  const cpu = (cpuOf(...pids) - before) / expected
  const { user, system } = process.cpuUsage(usage)
  if (delivered > expected || readers.some(({ next }) => next !== last + 1)) {
    fail('a reader has not what it should have')
  }
  return { deliveries: delivered, seconds, cpu, load: (user + system) / 1e6 / seconds, latency: quantiles(latencies) }
}

async function count({ pids, ms }: StreamsJob & { do: 'count' }): Promise<StreamsResult> {
  const usage = process.cpuUsage()
  const before = cpuOf(...pids)
  const started = performance.now()
  delivered = 0
  latencies = []
  while (performance.now() < started + ms) {
    Atomics.wait(sleeper, 0, 0, 1)
    await new Promise(resolve => setImmediate(resolve))
  }
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(usage)
  return {
    deliveries: delivered,
    seconds,
    cpu: (cpuOf(...pids) - before) / delivered,
    load: (user + system) / 1e6 / seconds,
    latency: quantiles([])
  }
}

async function close(): Promise<void> {
  await publisher?.close()
  publisher = undefined
  for (const { socket } of [...readers, ...stalled]) socket.resetAndDestroy()
  readers = []
  stalled = []
  last = 0
  await sleep(200)
}

process.on('message', (job: StreamsJob) => {
  const done = job.do === 'open' ? open(job) : job.do === 'run' ? run(job) : job.do === 'count' ? count(job) : close()
  void done.then(result => process.send!(result ?? null))
})
process.on('disconnect', () => process.exit())
