import { AppError, messageOf, requestTimedOut, statusOf, type Code } from '../errors.js'
import { maxTimerMs } from '../util.js'
import { parseFrame, type Frame, type Question } from './frame.js'
import type { Transport } from './transport.js'

export interface Context {
  /** Aborted when the side that asks no longer waits: its deadline is near, or the link is closed. */
  signal: AbortSignal
  /** Link on which to ask back. */
  link: Link
  /** Sends something to the side that asks, before the answer. Lost when that side does not wait for it (any more). */
  part: (value: unknown) => void
}

/** Handlers of one end by method, for questions and notifications alike. What a handler returns is the answer. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- protocol/methods.ts has them typed and checked
export type Handlers = Record<string, (params: any, context: Context) => unknown>

export interface LinkOptions {
  /** A frame is sent at least this often, and three times this long without one closes the link. 0: never. */
  heartbeatMs?: number
  /**
   * Called with what a notification's handler throws, with unexpected errors of other handlers, and for invalid frames.
   */
  onError?: (error: unknown) => void
}

export type LinkReply = { result?: unknown } | { error: AppError }

export interface Asking {
  timeoutMs: number
  signal?: AbortSignal
  /** Called, in order, with the parts that the other end sends before its answer. */
  onPart?: ((value: unknown) => void) | undefined
  /** Called with an answer that comes after the timeout. */
  late?: (answer: LinkReply) => void
}

/** Most questions of the other end that are served, or held, at a time: more than any end asks. */
const servingMax = 10_000
/** Most questions whose late answer is still awaited. */
const lateMax = 1000
/** Largest answer, part or notification, in bytes. Questions may be larger: a share is as large as its instance. */
export const maxAnswerBytes = 16 * 1024 * 1024

const ping = JSON.stringify({ ping: true } satisfies Frame)

/**
 * Returns how long the side that answers may take, in milliseconds: less than the side that asks waits, so that it can
 * say what is missing before it is given up.
 */
export function timeForAsked(timeoutMs: number): number {
  return Math.max(1, timeoutMs - Math.min(1000, timeoutMs / 10))
}

/**
 * Questions and answers over one transport; both ends are alike.
 *
 * A question settles exactly once: with its answer, with `timeout`, or with `unavailable` when the link closes. It is
 * never asked twice, and the side that answers is notified when it is given up.
 */
export class Link {
  #transport: Transport
  #handlers: Handlers
  #onError: (error: unknown) => void
  #asked = new Map<number, { settle: (answer: LinkReply) => void; onPart: Asking['onPart'] }>()
  /** Callbacks for questions that have timed out, and are still to be answered. */
  #late = new Map<number, (answer: LinkReply) => void>()
  #serving = new Map<number, AbortController>()
  /**
   * Questions that arrive after a silence. They may have been asked before it, and given up long since: they wait for
   * what comes right behind them.
   */
  #held = new Map<number, Question>()
  #afterSilence = false
  #next = 1
  #closing = new AbortController()
  #heartbeat: NodeJS.Timeout | undefined
  #missed = 0

  constructor(transport: Transport, handlers: Handlers, { heartbeatMs = 0, onError = () => {} }: LinkOptions = {}) {
    this.#transport = transport
    this.#handlers = handlers
    this.#onError = onError
    if (heartbeatMs > 0) this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    transport.receive({
      message: text => this.#receive(text),
      closed: reason => this.#end(reason)
    })
  }

  /** Aborted, with the reason as a text, once the link is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal
  }

  /** Whether a question of the other end is being answered. */
  get isServing(): boolean {
    return this.#serving.size + this.#held.size > 0
  }

  /** Asks the other end. Rejects with an AppError: the other end's own, `timeout`, or `unavailable`. */
  async ask<R = unknown>(method: string, params: unknown, { timeoutMs, signal, onPart, late }: Asking): Promise<R> {
    const id = this.#next++
    const patienceMs = Math.min(timeoutMs, maxTimerMs)
    // Serialized first: params that cannot be sent fail before anything waits for an answer.
    const question = JSON.stringify({ ask: id, method, params, timeout: timeForAsked(patienceMs) } satisfies Frame)
    return await new Promise<R>((resolve, reject) => {
      const settle = (answer: LinkReply) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', cancel)
        this.#asked.delete(id)
        if ('error' in answer) reject(answer.error)
        else resolve(answer.result as R)
      }
      const cancel = () => {
        this.#send({ cancel: id })
        settle({ error: new AppError('unavailable', `${method} was given up`) })
      }
      const timer = setTimeout(() => {
        this.#send({ cancel: id })
        if (late) this.#awaitLate(id, late)
        settle({ error: new AppError('timeout', `no answer to ${method} within ${timeoutMs} ms`) })
      }, patienceMs)
      this.#asked.set(id, { settle, onPart })
      if (this.closed.aborted) {
        return settle({ error: new AppError('unavailable', `the link is closed: ${this.closed.reason}`) })
      }
      signal?.addEventListener('abort', cancel, { once: true })
      if (signal?.aborted) return cancel()
      this.#transport.send(question)
    })
  }

  /** Sends a notification. Lost when the link is closed. */
  notify(method: string, params?: unknown): void {
    this.#send({ notify: method, params })
  }

  /** Closes the link once what was sent before has left. */
  async close(reason: string): Promise<void> {
    this.#cancel()
    await this.#transport.close(reason)
    this.#end(reason)
  }

  #send(frame: Frame): void {
    this.#sendText(JSON.stringify(frame))
  }

  #sendText(text: string): void {
    if (!this.closed.aborted) this.#transport.send(text)
  }

  /** Gives up every question: a process at the other end that was frozen must not begin with one when it wakes. */
  #cancel(): void {
    for (const id of this.#asked.keys()) this.#send({ cancel: id })
  }

  #beat(): void {
    // Beats are counted, not time: after a pause of this process itself the other end gets its chance.
    if (++this.#missed > 3) return this.breakOff('heartbeat missed')
    this.#release()
    this.#sendText(ping)
  }

  /** Ends the link at once: what still arrives is not looked at, and what is being served or asked is given up. */
  breakOff(reason: string): void {
    this.#cancel()
    void this.#transport.close(reason)
    this.#end(reason)
  }

  #release(): void {
    this.#afterSilence = false
    for (const question of this.#held.values()) void this.#serve(question)
    this.#held.clear()
  }

  #receive(text: string): void {
    if (this.closed.aborted) return
    if (this.#missed > 1) this.#afterSilence = true
    this.#missed = 0
    try {
      this.#handle(parseFrame(text))
    } catch (error) {
      // The other end speaks another protocol, or means harm; what comes next could be anything.
      this.#onError(error)
      this.breakOff(messageOf(error))
    }
  }

  #handle(frame: Frame): void {
    if ('ask' in frame) this.#admit(frame)
    else if ('answer' in frame) this.#settle(frame)
    else if ('part' in frame) this.#hearPart(frame)
    else if ('notify' in frame) this.#hear(frame)
    else if ('cancel' in frame) this.#giveUp(frame.cancel)
  }

  #admit(question: Question): void {
    const { ask } = question
    if (this.#serving.has(ask) || this.#held.has(ask)) {
      throw new AppError('invalid_request', `question ${ask} came twice`)
    }
    if (this.#serving.size + this.#held.size >= servingMax) {
      throw new AppError('invalid_request', `more than ${servingMax} questions at a time`)
    }
    if (this.#afterSilence) this.#held.set(ask, question)
    else void this.#serve(question)
  }

  #awaitLate(id: number, late: (answer: LinkReply) => void): void {
    this.#late.set(id, late)
    // The oldest comes first.
    for (const oldest of this.#late.keys()) {
      if (this.#late.size <= lateMax) break
      this.#late.delete(oldest)
    }
  }

  #settle(frame: Extract<Frame, { answer: number }>): void {
    const settle = this.#asked.get(frame.answer)?.settle ?? this.#late.get(frame.answer)
    this.#late.delete(frame.answer)
    if (!('error' in frame)) return settle?.({ result: frame.result })
    const { code, message } = frame.error
    settle?.({ error: new AppError(Object.hasOwn(statusOf, code) ? (code as Code) : 'internal', message) })
  }

  #giveUp(id: number): void {
    const held = this.#held.get(id)
    // A held question is answered all the same, by serving it.
    if (held) void this.#serve(held)
    this.#held.delete(id)
    this.#serving.get(id)?.abort()
  }

  /** Answers one question. Never rejects. */
  async #serve({ ask, method, params, timeout }: Question): Promise<void> {
    const controller = new AbortController()
    // The timer does not keep the process alive: when the link ends, so does this.
    const timer = setTimeout(() => controller.abort(), timeout).unref()
    this.#serving.set(ask, controller)
    try {
      const handler = Object.hasOwn(this.#handlers, method) ? this.#handlers[method] : undefined
      if (!handler) throw new AppError('not_found', `there is no method ${method}`)
      // Handled in a turn of its own: the first question can come while this link is being constructed, and be given up
      // right behind it.
      await Promise.resolve()
      if (controller.signal.aborted) throw new AppError('timeout', requestTimedOut)
      const part = (value: unknown) => {
        if (this.#serving.has(ask)) this.#send({ part: ask, value })
      }
      const result = await handler(params, { signal: controller.signal, link: this, part })
      const answer = JSON.stringify({ answer: ask, result } satisfies Frame)
      if (Buffer.byteLength(answer) > maxAnswerBytes) {
        throw new AppError('payload_too_large', `the answer to ${method} is larger than ${maxAnswerBytes} bytes`)
      }
      this.#sendText(answer)
    } catch (error) {
      if (!(error instanceof AppError)) this.#onError(error)
      this.#send({
        answer: ask,
        error: { code: error instanceof AppError ? error.code : 'internal', message: messageOf(error) }
      })
    } finally {
      clearTimeout(timer)
      this.#serving.delete(ask)
    }
  }

  #hearPart({ part, value }: Extract<Frame, { part: number }>): void {
    try {
      this.#asked.get(part)?.onPart?.(value)
    } catch (error) {
      this.#onError(error)
    }
  }

  #hear({ notify, params }: Extract<Frame, { notify: string }>): void {
    Promise.resolve()
      .then(
        () =>
          Object.hasOwn(this.#handlers, notify) &&
          this.#handlers[notify]?.(params, { signal: this.closed, link: this, part: () => {} })
      )
      .catch(this.#onError)
  }

  #end(reason: string): void {
    if (this.closed.aborted) return
    clearInterval(this.#heartbeat)
    this.#held.clear()
    this.#closing.abort(reason)
    for (const { settle } of [...this.#asked.values()]) {
      settle({ error: new AppError('unavailable', `the link is closed: ${reason}`) })
    }
    for (const serving of this.#serving.values()) serving.abort()
  }
}
