import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import type { Role } from '../../schemas/access.js'
import type { Control, Told } from './lines.js'
import type { Dice, Run } from './run.js'

export interface FollowOptions {
  /** Of one request: until its response. Otherwise until the signal aborts. */
  reqid?: string
  /** Where; that of all events, or of the request's. */
  path?: string
  as?: Role
  types?: readonly string[]
  from?: 'latest' | 'earliest'
  format?: 'sse' | 'ndjson'
  dice: Dice
  /** How likely it is, at each event, that the client hangs up by itself. */
  gives?: number
  signal?: AbortSignal
  /** It has to hear of everything. */
  stays?: boolean
}

/** Follows a stream through all interruptions, each time from where it was. */
export async function follow(run: Run, url: string, client: string, options: FollowOptions): Promise<void> {
  const { dice, signal } = options
  const follower = new Follower(run, url, client, options)
  while (!follower.isOver && !signal?.aborted) {
    // Lost, or never there: it comes again.
    await follower.connect().catch(() => {})
    await sleep(dice.between(20, 300), undefined, signal ? { signal } : {}).catch(() => {})
  }
}

class Follower {
  readonly #run: Run
  readonly #url: string
  readonly #client: string
  readonly #options: FollowOptions
  #position: string | undefined
  isOver = false

  constructor(run: Run, url: string, client: string, options: FollowOptions) {
    this.#run = run
    this.#url = url
    this.#client = client
    this.#options = options
  }

  /** One connection, to its end. Rejects when it is lost. */
  async connect(): Promise<void> {
    const { reqid, types, from = 'latest', stays, signal } = this.#options
    const request = get(this.#address(), { agent: false, headers: this.#headers(), ...(signal ? { signal } : {}) })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const { statusCode: status = 0 } = response
    if (status >= 400) return this.#refused(status)
    const stream = this.#run.name(this.#client)
    this.#run.add({
      kind: 'open',
      client: this.#client,
      stream,
      from: this.#position ?? from,
      ...(types ? { types } : {}),
      ...(reqid === undefined ? {} : { reqid }),
      ...(stays ? { stays } : {})
    })
    if (status === 204) {
      this.isOver = true
      return this.#run.add({ kind: 'control', stream, type: 'over' })
    }
    response.setEncoding('utf8')
    const take = this.#reader(stream, () => request.destroy())
    for await (const chunk of response) take(chunk)
  }

  #address(): URL {
    const {
      reqid,
      types,
      from = 'latest',
      format,
      path = reqid === undefined ? '/v1/events' : `/v1/requests/${reqid}/events`
    } = this.#options
    const url = new URL(path, this.#url)
    if (types) url.searchParams.set('types', types.join(','))
    // There are two ways to say where one was.
    if (this.#position === undefined && reqid === undefined) url.searchParams.set('from', from)
    if (this.#position !== undefined && format === 'ndjson') url.searchParams.set('last_event_id', this.#position)
    return url
  }

  #headers(): Record<string, string> {
    const { format, as = 'viewer' } = this.#options
    if (format === 'ndjson') return { ...this.#run.headers(as), accept: 'application/x-ndjson' }
    return {
      ...this.#run.headers(as),
      accept: 'text/event-stream',
      ...(this.#position === undefined ? {} : { 'last-event-id': this.#position })
    }
  }

  #refused(status: number): void {
    const { reqid } = this.#options
    const id = this.#run.name(this.#client)
    this.#run.add({ kind: 'ask', client: this.#client, id, ...(reqid === undefined ? {} : { reqid }) })
    this.#run.add({ kind: 'answer', id, status })
    // It comes again with another token.
    this.isOver = ![401, 503].includes(status)
  }

  /** Takes the text as it comes, in whatever pieces. */
  #reader(stream: string, hangUp: () => void): (chunk: string) => void {
    const take = (event: any, id: string | undefined) => {
      this.#take(stream, event, id)
      if (this.#options.dice.chance(this.#options.gives ?? 0)) hangUp()
    }
    if (this.#options.format !== 'ndjson') {
      const parser = createParser({ onEvent: ({ data, id }) => take(JSON.parse(data), id) })
      return chunk => parser.feed(chunk)
    }
    let rest = ''
    return chunk => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      for (const event of lines.map(line => JSON.parse(line))) {
        take(event, event.type === 'heartbeat' || !controls.has(event.type) ? event.cursor : undefined)
      }
    }
  }

  #take(stream: string, event: any, id: string | undefined): void {
    const { type, cursor, earliest, latest, resumed, reason } = event
    const isControl = controls.has(type)
    this.#run.add(
      isControl
        ? ({ kind: 'control', stream, type, cursor, earliest, latest, resumed, reason } satisfies Control)
        : { kind: 'event', stream, event: event as Told }
    )
    if (id !== undefined) this.#position = id
    else if (type === 'hello' && this.#options.reqid === undefined) this.#position = cursor
    if (isControl && reason === 'terminal') this.isOver = true
  }
}

const controls = new Set(['hello', 'heartbeat', 'reset', 'goodbye', 'snapshot', 'snapshot-end'])
