import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { checker } from '../../schemas/validator.js'
import { invalid, messageOf } from '../errors.js'
import type { Peers } from './log.js'
import { ReplicaStatus } from '../../schemas/replication.js'

/** Much more than an answer of ours has. */
const answerMax = 16_384

// A newer version may tell more.
const checkAnswer = checker(ReplicaStatus, invalid, 'drop')

/** The other replicas, who are asked on a subject. Clients of other programs may know it, too. */
export class JetStreamPeers implements Peers {
  #nats: NatsConnection
  #subject: string
  #others: ReadonlySet<string>
  #log: Logger
  #status: (() => ReplicaStatus) | undefined

  /** `others`: the names of the other replicas. */
  constructor(nats: NatsConnection, subject: string, others: readonly string[], log: Logger) {
    this.#nats = nats
    this.#subject = subject
    this.#others = new Set(others)
    this.#log = log
  }

  answer(status: () => ReplicaStatus): void {
    if (!this.#status) {
      this.#nats.subscribe(this.#subject, { callback: (error, question) => this.#reply(error, question) })
    }
    this.#status = status
  }

  #reply(error: Error | null, question: Msg): void {
    // To an inbox only: whoever asks may not be allowed to write to the log, and this replica is.
    if (error || !question.reply?.startsWith('_INBOX.')) return
    try {
      question.respond(JSON.stringify(this.#status!()))
    } catch (failure) {
      // What a callback throws ends the connection.
      this.#log.error(failure, 'cannot tell the other replicas how far this one is')
    }
  }

  ask(timeoutMs: number): Promise<ReplicaStatus[]> {
    const answers = new Map<string, ReplicaStatus>()
    return new Promise(resolve => {
      const inbox = createInbox()
      const end = () => {
        clearTimeout(timer)
        subscription.unsubscribe()
        resolve([...answers.values()])
      }
      const subscription = this.#nats.subscribe(inbox, {
        callback: (error, message) => {
          const answer = error ? undefined : this.#read(message.data)
          if (answer) answers.set(answer.name, answer)
          if (answers.size === this.#others.size) end()
        }
      })
      const timer = setTimeout(end, this.#others.size === 0 ? 0 : timeoutMs)
      this.#nats.publish(this.#subject, undefined, { reply: inbox })
    })
  }

  /** Returns the answer of another replica; undefined for this one's own, and for what is none. */
  #read(data: Uint8Array): ReplicaStatus | undefined {
    try {
      if (data.length > answerMax) throw new Error(`${data.length} bytes`)
      const answer = checkAnswer(JSON.parse(Buffer.from(data).toString()), 'answer')
      return this.#others.has(answer.name) ? answer : undefined
    } catch (error) {
      this.#log.debug(`what came on ${this.#subject} is not an answer of a replica: ${messageOf(error)}`)
      return undefined
    }
  }
}
