import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'
import { Kvm, type KV } from '@nats-io/kv'
import type { Connection } from './jetstream-connection.js'
import { Superseded, type Lease } from './log.js'

const key = 'leader'

/** What a server answers to a write that expects another revision, or that comes while another one is under way. */
const conflicts: readonly number[] = [
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown
]

/** The lease as a key of a bucket. */
export class JetStreamLease implements Lease {
  #connection: Connection
  #bucket: KV

  private constructor(connection: Connection, bucket: KV) {
    this.#connection = connection
    this.#bucket = bucket
  }

  static async open(connection: Connection, bucket: string): Promise<JetStreamLease> {
    // Any server answers direct reads, also one that is behind.
    const opened = await new Kvm(connection.jetstream).open(bucket, { allow_direct: false })
    return new JetStreamLease(connection, opened)
  }

  async read(): Promise<{ holder: string; revision: number } | undefined> {
    const entry = await this.#connection.ask(() => this.#bucket.get(key))
    return entry ? { holder: entry.string(), revision: entry.revision } : undefined
  }

  async write(holder: string, revision: number): Promise<number> {
    try {
      return await this.#connection.ask(() => this.#bucket.put(key, holder, { previousSeq: revision }))
    } catch (error) {
      if (!(error instanceof JetStreamApiError && conflicts.includes(error.code))) throw error
      throw new Superseded('another replica has written the lease', { cause: error })
    }
  }
}
