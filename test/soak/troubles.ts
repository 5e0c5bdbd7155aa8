import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Role } from '../../schemas/access.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { until } from '../support/until.js'
import type { Dice, Run } from '../chaos/run.js'
import { nodesOf, roleOf } from './processes.js'

export interface TroublesOptions {
  run: Run
  url: string
  /** Where the controller has its state. */
  directory: string
  /** Process ids of supervisors: the controller's, and those of the agents. */
  controller: number
  agents: readonly number[]
}

/** What happens to a service in its life, and how often it has. */
export class Troubles {
  readonly counts: Record<string, number> = {}
  readonly #options: TroublesOptions

  constructor(options: TroublesOptions) {
    this.#options = options
  }

  /** Resolves when the next one listens. */
  async killController(dice: Dice): Promise<void> {
    const { run, url, controller } = this.#options
    const pid = roleOf(controller)
    if (pid === undefined) return
    const signal = dice.chance(0.1) ? 'SIGTERM' : 'SIGKILL'
    this.#count(`controllers ended by ${signal}`)
    run.add({ kind: 'kill', at: Date.now(), signal })
    process.kill(pid, signal)
    await until(
      async () => roleOf(controller) !== pid && (await fetch(`${url}/readyz`).catch(() => undefined))?.ok,
      'the next controller is ready',
      30_000
    )
  }

  killAgent(dice: Dice): void {
    this.#kill('agents killed', roleOf(dice.pick(this.#options.agents)))
  }

  killNode(dice: Dice): void {
    const nodes = this.#options.agents.flatMap(nodesOf)
    if (nodes.length > 0) this.#kill('nodes killed', dice.pick(nodes))
  }

  /** Someone who asks for everything, and does not read it. */
  async stall(ms: number, signal: AbortSignal): Promise<void> {
    const socket = this.#raw('GET /v1/events?from=earliest', 'viewer').pause()
    this.#count('readers that stall')
    await sleep(ms, undefined, { signal }).catch(() => {})
    socket.destroy()
  }

  /** Someone who asks and is gone, without a word. */
  async vanish(dice: Dice): Promise<void> {
    const what = dice.pick([
      'GET /v1/events?from=latest',
      'GET /v1/requests?limit=200',
      'GET /v1/nodes',
      'POST /v1/requests/test_timeout?timeout=0.5',
      'POST /v1/requests/get_nodes'
    ])
    const socket = this.#raw(what, 'operator')
    this.#count('clients that vanish (RST)')
    await sleep(dice.between(0, 300))
    socket.resetAndDestroy()
  }

  /** The clients get new tokens, and the old ones are revoked. */
  async revoke(): Promise<void> {
    const { run, directory } = this.#options
    const old = run.tokens
    run.tokens = await makeTokens(directory)
    for (const token of Object.values(old)) await tokenCommand(['revoke', token.split('_')[1]!], {}, directory)
    this.#count('tokens revoked', Object.keys(old).length)
  }

  #raw(what: string, role: Role) {
    const { run, url } = this.#options
    const { hostname, port, host } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    const headers = {
      host,
      'content-type': 'application/json',
      'content-length': what.startsWith('POST') ? '2' : '0',
      ...run.headers(role)
    }
    socket.write(
      `${what} HTTP/1.1\r\n${Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n${what.startsWith('POST') ? '{}' : ''}`
    )
    return socket
  }

  #kill(name: string, pid: number | undefined): void {
    if (pid === undefined) return
    process.kill(pid, 'SIGKILL')
    this.#count(name)
  }

  #count(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by
  }
}

/** One of each role that people have. */
export async function makeTokens(directory: string): Promise<Run['tokens']> {
  const make = (role: Role) => tokenCommand(['create'], { role }, directory)
  return { viewer: await make('viewer'), operator: await make('operator'), admin: await make('admin') }
}
