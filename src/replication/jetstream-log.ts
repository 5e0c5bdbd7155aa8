import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AckPolicy, DeliverPolicy, type Consumer, type JsMsg, type StreamState } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { AppError, messageOf } from '../errors.js'
import { backoff } from '../util.js'
import { unavailable, wrong, type Connection } from './jetstream-connection.js'
import { metadataOf, type LogMetadata, type Names } from './jetstream-setup.js'
import { Superseded, Trimmed, type Entry, type Log } from './log.js'

/** Servers take messages of 1 MB. */
const partBytes = 700_000

/** How many messages a reader has at a time: it waits for the next ones when it has gone through these. */
const readAhead = 10

/** What one reader holds at a server, and how long after the last sign of it. */
const readerLastsMs = 300_000

/** Pauses between tries, in milliseconds. */
const [firstPauseMs, lastPauseMs] = [20, 1000]

/** Which part of which frame a message is: its id, by which servers know it again, too. */
interface Part {
  frame: string
  number: number
  count: number
}

const idOf = ({ frame, number, count }: Part) => `${frame}.${number}.${count}`

function partOf(id: string | undefined): Part | undefined {
  const match = /^([0-9a-f-]{36})\.(\d{1,6})\.(\d{1,6})$/.exec(id ?? '')
  return match ? { frame: match[1]!, number: Number(match[2]), count: Number(match[3]) } : undefined
}

/**
 * Puts frames together. A frame whose parts do not follow each other is dropped: its writer was superseded or killed.
 */
export class Assembly {
  #frame: string | undefined
  #parts: Uint8Array[] = []

  /** Takes the next message of the log. Returns the frame that it is the last part of. */
  add(id: string | undefined, data: Uint8Array): Uint8Array | undefined {
    const part = partOf(id)
    if (part?.number === 1) this.#begin(part.frame)
    else if (part?.frame !== this.#frame || part?.number !== this.#parts.length + 1) this.#begin(undefined)
    if (!part || this.#frame === undefined) return undefined
    this.#parts.push(data)
    if (part.number < part.count) return undefined
    const whole = this.#parts.length === 1 ? data : Buffer.concat(this.#parts)
    this.#begin(undefined)
    return whole
  }

  #begin(frame: string | undefined): void {
    this.#frame = frame
    this.#parts = []
  }
}

/**
 * The log as a stream of JetStream. A place is the sequence of a frame's last part. What decides is read from the
 * leader of the stream alone: others may be behind.
 */
export class JetStreamLog implements Log {
  readonly identity: string
  readonly replicas: readonly string[]
  #connection: Connection
  #names: Names
  #log: Logger

  constructor(connection: Connection, names: Names, { identity, replicas }: LogMetadata, log: Logger) {
    this.#connection = connection
    this.#names = names
    this.identity = identity
    this.replicas = replicas
    this.#log = log
  }

  async extent(): Promise<{ last: number; entries: number; bytes: number }> {
    const { last_seq: last, messages: entries, bytes } = await this.#state()
    return { last, entries, bytes }
  }

  async append(frame: Uint8Array, after: number, signal: AbortSignal): Promise<number> {
    const id = randomUUID()
    const count = Math.max(1, Math.ceil(frame.length / partBytes))
    for (let number = 1; number <= count; number++) {
      const data = frame.subarray((number - 1) * partBytes, number * partBytes)
      await this.#write(idOf({ frame: id, number, count }), data, after + number, signal)
    }
    return after + count
  }

  /** Writes a message to a place. */
  async #write(id: string, data: Uint8Array, place: number, signal: AbortSignal): Promise<void> {
    const connection = this.#connection
    const { stream, subject } = this.#names
    await this.#insist(`writing ${place}`, signal, async () => {
      try {
        const { seq } = await connection.ask(
          () =>
            connection.jetstream.publish(subject, data, {
              msgID: id,
              expect: { lastSequence: place - 1, streamName: stream }
            }),
          signal
        )
        // Also of a message that an earlier try has brought there. Elsewhere it is only if the servers broke their
        // word.
        if (seq === place) return
        throw new Superseded(`${id} was written to ${seq} instead of ${place}`)
      } catch (error) {
        if (error instanceof Superseded) throw error
        // Also when the place is said to be taken: it may have been taken by an earlier try.
        const isThere = await this.#insist(`looking at ${place}`, signal, () =>
          connection.ask(() => this.#has(id, place), signal)
        )
        // It is written again then. A try that is under way still does no harm: both have the same place and id.
        if (!isThere) throw error
      }
    })
  }

  /** Returns whether a message is at a place, where nothing else is. Throws Superseded when something else is. */
  async #has(id: string, place: number): Promise<boolean> {
    const found = await this.#connection.manager.streams.getMessage(this.#names.stream, { seq: place })
    if (found?.header.get('Nats-Msg-Id') === id) return true
    const isTaken = found !== null || (await this.#state()).first_seq > place
    if (isTaken) throw new Superseded(`another replica has written ${place}`)
    return false
  }

  async *entries(after: number, { until = Infinity, signal }: { until?: number; signal: AbortSignal }) {
    if (after >= until) return
    const assembly = new Assembly()
    for await (const message of this.#messages(after + 1, signal)) {
      const frame = assembly.add(message.headers?.get('Nats-Msg-Id'), message.data)
      if (frame) yield { place: message.seq, frame } satisfies Entry
      if (message.seq >= until) return
    }
  }

  async trim(upTo: number): Promise<void> {
    const { last_seq: last } = await this.#state()
    await this.#connection.manager.streams.purge(this.#names.stream, { seq: Math.min(upTo, last) + 1 })
  }

  /** Yields the messages from one on, without a gap, until the signal aborts. Throws Trimmed. */
  async *#messages(next: number, signal: AbortSignal): AsyncGenerator<JsMsg, void> {
    let failures = 0
    while (!signal.aborted) {
      await this.#connection.regained(signal)
      try {
        for await (const message of this.#read(next, signal)) {
          next = message.seq + 1
          failures = 0
          yield message
        }
      } catch (error) {
        await this.#afterFailure(error, `reading ${next}`, ++failures, signal)
      }
    }
  }

  /** Yields the messages from one on until something is lost. */
  async *#read(next: number, signal: AbortSignal): AsyncGenerator<JsMsg, void> {
    const { manager, jetstream } = this.#connection
    const { stream } = this.#names
    const { first_seq: first } = await this.#state()
    const trimmed = () => new Trimmed(`the log does not hold ${next} any more`)
    if (first > next) throw trimmed()
    const info = await manager.consumers.add(stream, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: next,
      inactive_threshold: nanos(readerLastsMs),
      mem_storage: true,
      num_replicas: 1
    })
    const consumer = jetstream.consumers.getConsumerFromInfo(info)
    try {
      let isFirst = true
      while (!signal.aborted) {
        for await (const message of this.#batch(consumer, signal)) {
          if (message.seq !== next) {
            // What was on its way when the connection was lost can be read again; what is not there cannot.
            if (isFirst) throw trimmed()
            return
          }
          isFirst = false
          next++
          yield message
        }
      }
    } finally {
      manager.consumers.delete(stream, info.name).catch(() => {})
    }
  }

  /** Yields the next messages: some of those that there are, or those of the next seconds. */
  async *#batch(consumer: Consumer, signal: AbortSignal): AsyncGenerator<JsMsg, void> {
    const messages = await consumer.fetch({ max_messages: readAhead, expires: 10_000, idle_heartbeat: 1000 })
    const stop = () => messages.stop()
    const forget = this.#connection.onLost(() => messages.stop(new Error('the connection was lost')))
    signal.addEventListener('abort', stop)
    try {
      if (signal.aborted) stop()
      yield* messages
    } finally {
      signal.removeEventListener('abort', stop)
      forget()
    }
  }

  /** Returns the state of the stream, as its leader has it. Throws AppError when it is another one than it was. */
  async #state(): Promise<StreamState> {
    const { stream } = this.#names
    const { config, state } = await this.#connection.ask(() => this.#connection.manager.streams.info(stream))
    const { identity } = metadataOf(config)
    if (identity !== this.identity) throw wrong(`the log ${stream} was made anew: its identity is ${identity}`)
    return state
  }

  /** Returns what a job returns, which is tried again until it has an answer. Throws once the signal aborts. */
  async #insist<T>(what: string, signal: AbortSignal, job: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted()
      try {
        return await job()
      } catch (error) {
        await this.#afterFailure(error, what, attempt, signal)
      }
    }
  }

  /** Waits before what has failed is tried again. Throws what does not pass. */
  async #afterFailure(error: unknown, what: string, failures: number, signal: AbortSignal): Promise<void> {
    const isFinal = error instanceof Superseded || error instanceof Trimmed || error instanceof AppError
    if (isFinal) throw error
    if (this.#connection.nats.isClosed()) throw unavailable('the connection is closed', error)
    const level = failures === 1 ? 'warn' : 'debug'
    this.#log[level](`${what} in the log of all replicas: ${messageOf(error)}; it is tried again`)
    await sleep(backoff(failures, firstPauseMs, lastPauseMs), undefined, { signal }).catch(() => {})
  }
}
