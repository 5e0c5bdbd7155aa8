/**
 * Clients that read the log from its beginning, over and over. Told what to do, it tells how many events came in a
 * second. An
 * event that is missing, doubled or out of order ends it.
 */
import { connect } from 'node:net'
import { setPriority } from 'node:os'

export interface ReplayJob {
  port: number
  clients: number
  /** How long at the least; each client comes to the end of the log at least once. */
  ms: number
  /** The number of the newest event when it begins. */
  head: number
}

export interface ReplayResult {
  rate: number
  replays: number
}

// Those whose latencies are measured share its core.
setPriority(10)

/** Reads up to `head`. Only ids are looked at: `id: <epoch>.<number>`, one after the other. */
function replay(port: number, head: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let rest: Buffer = Buffer.alloc(0)
    let mark: string | undefined
    let seq = 0
    socket.write(`GET /v1/events?from=earliest HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    socket.on('error', reject).on('close', () => reject(new Error(`a stream has ended at ${seq} of ${head}`)))
    socket.on('data', (chunk: Buffer) => {
      const text = (rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk).toString('latin1')
      mark ??= /\nid: ([a-z0-9]+\.)/.exec(text)?.[0]
      let done = 0
      for (let at = mark === undefined ? -1 : text.indexOf(mark); at >= 0; at = text.indexOf(mark!, done)) {
        const end = text.indexOf('\n', at + mark!.length)
        if (end < 0) break
        const next = Number(text.slice(at + mark!.length, end))
        if (next !== ++seq) return socket.destroy(new Error(`after event ${seq - 1} came ${next}`))
        done = end
        if (seq === head) {
          resolve()
          return socket.destroy()
        }
      }
      // A mark, or a number, may be cut in two.
      rest = Buffer.from(text.slice(mark === undefined ? 0 : Math.max(done, text.length - 64)), 'latin1')
    })
  })
}

async function load({ port, clients, ms, head }: ReplayJob): Promise<ReplayResult> {
  const started = performance.now()
  let replays = 0
  await Promise.all(
    Array.from({ length: clients }, async () => {
      do {
        await replay(port, head)
        replays++
      } while (performance.now() - started < ms)
    })
  )
  return { rate: ((replays * head) / (performance.now() - started)) * 1000, replays }
}

process.on('message', (job: ReplayJob) => {
  void load(job).then(result => process.send!(result))
})
process.on('disconnect', () => process.exit())
