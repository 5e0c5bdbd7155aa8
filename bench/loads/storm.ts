/**
 * Readers of the event stream that come back with the id of the last event that they have. What they are sent is the
 * same for
 * all, byte by byte: whoever is ahead adds to one log, which is looked through once; whoever follows is compared with
 * it.
 */
import { Agent, get, type IncomingMessage } from 'node:http'

export type StreamsJob =
  /** So many streams, from a cursor on, again whenever they are lost. Answered when all of them are open. */
  | { type: 'keep'; port: number; count: number; from: string }
  /**
   * Answered when so many hellos and changes of nodes were told since this was asked last, and every stream has all
   * that one has.
   */
  | { type: 'await'; hellos: number; changes: number }

export interface StreamsResult {
  events: number
  deliveries: number
}

/** What an EventSource would wait is told to it, 2 to 5 s. These are in a hurry, and all the more of a storm. */
const retryMs = 200

const heartbeat = Buffer.from('event: heartbeat\n')
const log = Buffer.allocUnsafe(256 * 1024 * 1024)
let length = 0
/** How far it was looked through. */
let read = 0
let seq: number | undefined
const counts = new Map<string, number>()
const count = (type: string, more = 1) => counts.set(type, (counts.get(type) ?? 0) + more)
const at = (position: number, end = length) => log.subarray(position, end)

class Stream {
  /** Of what it has, in the log. */
  position = 0
  #port: number
  #from: string
  #agent: Agent
  #isOpen = false
  #opened: () => void

  constructor(port: number, from: string, agent: Agent, opened: () => void) {
    this.#port = port
    this.#from = from
    this.#agent = agent
    this.#opened = opened
    this.#open()
  }

  #open(): void {
    // What was cut off in an event is sent again.
    const end = this.position === 0 ? 0 : at(0, this.position).lastIndexOf('\n\n') + 2
    if (end < 2) this.position = 0
    else this.position = end
    const from = at(0, this.position).lastIndexOf('id: ')
    const id = from < 0 ? undefined : at(from + 4, log.indexOf('\n', from)).toString()
    const again = () => {
      setTimeout(() => this.#open(), retryMs * (0.5 + Math.random() / 2))
    }
    get(
      {
        port: this.#port,
        host: '127.0.0.1',
        agent: this.#agent,
        path: `/v1/events?from=${this.#from}`,
        headers: { accept: 'text/event-stream', ...(id === undefined ? {} : { 'last-event-id': id }) }
      },
      response => {
        if (response.statusCode !== 200) throw new Error(`a stream was refused with ${response.statusCode}`)
        this.#read(response)
        response.on('error', () => {}).on('close', again)
      }
    ).on('error', again)
  }

  #read(response: IncomingMessage): void {
    let greeting = ''
    let isGreeted = false
    response.on('data', (chunk: Buffer) => {
      if (isGreeted) return this.#take(chunk)
      // `retry`, and the hello, which differ.
      greeting += chunk.toString('latin1')
      const hello = greeting.indexOf('event: hello\n')
      const end = hello < 0 ? -1 : greeting.indexOf('\n\n', hello)
      if (end < 0) return
      isGreeted = true
      if (!this.#isOpen) this.#opened()
      this.#isOpen = true
      this.#take(Buffer.from(greeting.slice(end + 2), 'latin1'))
    })
  }

  #take(chunk: Buffer): void {
    // Each at a time of its own.
    if (chunk.subarray(0, heartbeat.length).equals(heartbeat)) return
    const known = Math.min(chunk.length, length - this.position)
    if (!chunk.subarray(0, known).equals(at(this.position, this.position + known))) {
      throw new Error(`a stream was sent something else than another: ${chunk.toString().slice(0, 300)}`)
    }
    if (known < chunk.length) {
      chunk.copy(log, this.position)
      length = this.position + chunk.length
    }
    this.position += chunk.length
  }
}

/** Every event is the next one, and whole. */
function look(): void {
  for (let end = log.indexOf('\n\n', read); end >= 0 && end < length; end = log.indexOf('\n\n', read)) {
    const [, id, data] = /^id: \w+\.(\d+)\ndata: (.*)$/.exec(at(read, end).toString())!
    if (seq !== undefined && Number(id) !== seq + 1) throw new Error(`after event ${seq} came ${id}`)
    seq = Number(id)
    const { type } = JSON.parse(data!)
    count(type)
    count('events')
    read = end + 2
  }
}

const streams: Stream[] = []

async function keep({ port, count: wanted, from }: StreamsJob & { type: 'keep' }): Promise<void> {
  const agent = new Agent({ maxSockets: Infinity })
  await Promise.all(
    Array.from(
      { length: wanted },
      () => new Promise<void>(resolve => streams.push(new Stream(port, from, agent, resolve)))
    )
  )
}

async function reached(hellos: number, changes: number): Promise<StreamsResult> {
  for (;;) {
    look()
    if (
      (counts.get('notify_agent_hello') ?? 0) >= hellos &&
      (counts.get('notify_change') ?? 0) >= changes &&
      streams.every(({ position }) => position === length)
    ) {
      break
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  const told = { hellos: counts.get('notify_agent_hello') ?? 0, changes: counts.get('notify_change') ?? 0 }
  if (told.hellos !== hellos || told.changes !== changes) {
    throw new Error(`${told.hellos} hellos and ${told.changes} changes were told, not ${hellos} and ${changes}`)
  }
  const events = counts.get('events') ?? 0
  counts.clear()
  return { events, deliveries: events * streams.length }
}

process.on('message', (job: StreamsJob) => {
  if (job.type === 'keep') void keep(job).then(() => process.send!('open'))
  else void reached(job.hellos, job.changes).then(result => process.send!(result))
})
process.on('disconnect', () => process.exit())
