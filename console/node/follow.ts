import { submit } from '../../src/client/requests.js'
import { uniqueId } from '../api.js'
import { api } from '../context.js'
import { Joint, noLines, withLines, type Lines, type OutputStream } from '../model/lines.js'
import { plainOutput } from '../model/format.js'
import type { DomainEvent } from '../model/types.js'
import type { Stream } from '../stream/stream.js'

/** Lines of each output that are there at the start of a request. */
const firstLines = 200
/** More than the agent tells of one request, in bytes. */
const linesOfRequest = 100_000
/**
 * How long a request follows, in seconds. It cannot be ended before, and a client may have ten at a time: so the first
 * is short, and each one is longer than the one before, for who stays.
 */
const firstSeconds = 30
const mostSeconds = 300
/** After a request that has failed: the pause before the next one, which grows, in milliseconds. */
const pauseMs = 3_000
const pauseMostMs = 30_000
/** A response that does not come so long after its time is lost. */
const graceMs = 20_000

export type Following =
  | { state: 'starting' }
  | { state: 'live' }
  /** Nobody looks. */
  | { state: 'resting' }
  | { state: 'failed'; reason: string }

type OutputEvent = Extract<DomainEvent, { type: 'node_output' }>
type ResponseEvent = Extract<DomainEvent, { success: boolean }>

/**
 * Follows the outputs of a node while somebody looks: request after request, whose lines come on the one stream of
 * events. It goes on until its request is over when nobody looks any more, so that who comes back finds the lines.
 */
export class OutputFollow {
  lines: Lines = noLines
  following: Following = { state: 'starting' }
  #stream: Stream
  #node: string
  #onOver: () => void
  #listeners = new Set<() => void>()
  #lookers = 0
  #reqid: string | undefined
  /** What has come of requests whose answer is on its way: the stream can be faster. */
  #early: (OutputEvent | ResponseEvent)[] | undefined
  #joints: Record<OutputStream, Joint> = jointsOf([])
  #seconds = firstSeconds
  #pauseMs = pauseMs
  #timer: ReturnType<typeof setTimeout> | undefined
  #closing = new AbortController()

  /** `onOver`: nobody looks, and nothing comes any more. */
  constructor(stream: Stream, node: string, onOver: () => void) {
    this.#stream = stream
    this.#node = node
    this.#onOver = onOver
    const { signal } = this.#closing
    document.addEventListener('visibilitychange', () => this.#wake(), { signal })
    signal.addEventListener(
      'abort',
      stream.onEvents(events => events.forEach(event => this.#hear(event)))
    )
  }

  /** Follows until the function that it returns is called. `listener` is called when something has changed. */
  look(listener: () => void): () => void {
    this.#listeners.add(listener)
    this.#lookers++
    this.#wake()
    return () => {
      this.#listeners.delete(listener)
      this.#lookers--
      if (this.#reqid === undefined && this.#early === undefined) this.#rest()
    }
  }

  /** Tries at once what has failed. */
  again(): void {
    clearTimeout(this.#timer)
    this.#pauseMs = pauseMs
    this.#become({ state: 'starting' })
    this.#wake()
  }

  get #isWanted(): boolean {
    return this.#lookers > 0 && document.visibilityState === 'visible'
  }

  #wake(): void {
    const isBusy = this.#reqid !== undefined || this.#early !== undefined || this.following.state === 'failed'
    if (this.#isWanted && !isBusy) void this.#begin()
  }

  async #begin(): Promise<void> {
    this.#early = []
    this.#joints = jointsOf(this.lines.list)
    const args = {
      nodes: [this.#node],
      follow: true,
      duration: this.#seconds,
      lines: firstLines,
      max_lines: linesOfRequest
    }
    try {
      const { reqid } = await submit(api, 'get_node_output', args, { key: uniqueId(), signal: this.#closing.signal })
      const early = this.#early
      this.#early = undefined
      this.#reqid = reqid
      this.#seconds = Math.min(mostSeconds, 2 * this.#seconds)
      this.#timer = setTimeout(() => this.#end(undefined), args.duration * 1000 + graceMs)
      this.#become({ state: 'live' })
      for (const event of early) this.#hear(event)
    } catch (error) {
      this.#early = undefined
      this.#fail((error as Error).message)
    }
  }

  #hear(event: DomainEvent): void {
    if (!isOutput(event) && !isResponse(event)) return
    if (this.#early) this.#early.push(event)
    else if (event.reqid === this.#reqid) {
      if (isOutput(event)) this.#take(event)
      else this.#end(event)
    }
  }

  #take({ stream, lines }: OutputEvent): void {
    const { fresh, isGap } = this.#joints[stream].take(lines.map(plainOutput))
    if (isGap) this.lines = withLines(this.lines, 'note', [`${stream} was not followed here: lines may be missing`])
    this.lines = withLines(this.lines, stream, fresh)
    this.#tell()
  }

  #end(response: ResponseEvent | undefined): void {
    clearTimeout(this.#timer)
    this.#reqid = undefined
    const failed = response?.results.find(({ success }) => !success)
    if (failed) return this.#fail(failed.error ?? 'failed')
    this.#pauseMs = pauseMs
    if (this.#isWanted) void this.#begin()
    else this.#rest()
  }

  #fail(reason: string): void {
    if (this.#lookers === 0) return this.#rest()
    this.#become({ state: 'failed', reason })
    this.#timer = setTimeout(() => {
      this.#become({ state: 'resting' })
      this.#wake()
    }, this.#pauseMs)
    this.#pauseMs = Math.min(pauseMostMs, this.#pauseMs * 2)
  }

  #rest(): void {
    if (this.#lookers > 0) return this.#become({ state: 'resting' })
    clearTimeout(this.#timer)
    this.#closing.abort()
    this.#onOver()
  }

  #become(following: Following): void {
    this.following = following
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

const isOutput = (event: DomainEvent): event is OutputEvent => event.type === 'node_output'
const isResponse = (event: DomainEvent): event is ResponseEvent => event.type === 'get_node_output_response'

function jointsOf(list: Lines['list']): Record<OutputStream, Joint> {
  const of = (stream: OutputStream) => new Joint(list.filter(({ from }) => from === stream).map(({ text }) => text))
  return { stdout: of('stdout'), stderr: of('stderr') }
}
