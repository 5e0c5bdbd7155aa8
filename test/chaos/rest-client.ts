import { setTimeout as sleep } from 'node:timers/promises'
import { getJson } from '../support/client.js'
import { errand, type Config, type Errand } from './errands.js'
import type { Shown } from './lines.js'
import type { Dice, Run } from './run.js'
import { follow } from './stream-client.js'

export type Said = { status: number; request?: Shown } | undefined

/** A client of the REST API that writes down what it asks and is told. */
export class RestClient {
  readonly #run: Run
  readonly #url: string
  readonly #name: string

  constructor(run: Run, url: string, name: string) {
    this.#run = run
    this.#url = url
    this.#name = name
  }

  /** Asks once. Undefined when the connection was lost. */
  async ask(
    { type, args, mark, timeout }: Errand,
    { key, wait }: { key?: string | undefined; wait?: number | undefined } = {}
  ): Promise<Said> {
    const id = this.#run.name(this.#name)
    this.#run.add({
      kind: 'ask',
      client: this.#name,
      id,
      type,
      ...(key === undefined ? {} : { key }),
      ...(mark === undefined ? {} : { mark })
    })
    return await this.#fetch(id, `/v1/requests/${type}${timeout === undefined ? '' : `?timeout=${timeout}`}`, {
      method: 'POST',
      body: JSON.stringify(args),
      headers: {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(wait === undefined ? {} : { prefer: `wait=${wait}` })
      }
    })
  }

  /** Asks for a request, and waits for its end so many seconds. */
  async show(reqid: string, wait: number): Promise<Said> {
    const id = this.#run.name(this.#name)
    this.#run.add({ kind: 'ask', client: this.#name, id, reqid })
    return await this.#fetch(id, `/v1/requests/${reqid}?wait=${wait}`, {})
  }

  /** The whole history, each request as if it had been asked for. */
  async list(): Promise<void> {
    for (let next: string | undefined = ''; next !== undefined;) {
      const page = (await getJson(
        `${this.#url}/v1/requests?limit=200${next && `&after=${next}`}`,
        this.#run.headers('operator')
      )) as { requests: Shown[]; next?: string }
      for (const request of page.requests) {
        const id = this.#run.name(this.#name)
        this.#run.add({ kind: 'ask', client: this.#name, id, reqid: request.reqid })
        this.#run.add({ kind: 'answer', id, status: 200, request })
      }
      next = page.next
    }
  }

  async #fetch(id: string, path: string, init: RequestInit): Promise<Said> {
    try {
      const response = await fetch(`${this.#url}${path}`, {
        ...init,
        headers: { ...this.#run.headers('operator'), ...(init.headers as Record<string, string>) }
      })
      const body = (await response.json()) as Shown
      const said = { status: response.status, ...(response.ok ? { request: body } : {}) }
      this.#run.add({
        kind: 'answer',
        id,
        ...said,
        ...(response.headers.has('idempotent-replayed') ? { replayed: true } : {})
      })
      if (response.status === 400) this.#run.faults.push(`${path}: ${JSON.stringify(body)}`)
      return said
    } catch {
      this.#run.add({ kind: 'lost', id })
      return undefined
    }
  }
}

/** Runs an errand as clients do: with a key it is asked until there is an answer, and some wait for the end. */
export async function turn(run: Run, url: string, name: string, dice: Dice, config: Config): Promise<void> {
  const client = new RestClient(run, url, name)
  const what = errand(run, dice, config)
  const key = dice.chance(0.5) ? run.name('key') : undefined
  const wait = dice.chance(0.3) ? Math.ceil(dice.between(1, 4)) : undefined
  let said: Said
  for (;;) {
    said = await client.ask(what, { key, wait })
    if (key === undefined || (said !== undefined && said.status !== 503 && dice.chance(0.9))) break
    await sleep(dice.between(50, 300))
  }
  if (!said?.request) {
    await sleep(dice.between(50, 300))
    return
  }
  const { reqid } = said.request
  if (dice.chance(0.1)) return await follow(run, url, run.name('story'), { reqid, dice, gives: 0.2 })
  if (!dice.chance(0.3)) return
  for (let shown: Said = said; !shown || shown.status === 503 || shown.request?.state === 'pending';) {
    shown = await client.show(reqid, Math.ceil(dice.between(0, 3)))
    if (!shown) await sleep(dice.between(50, 300))
  }
}
