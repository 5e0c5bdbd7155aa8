import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { RestClient, turn } from '../chaos/rest-client.js'
import type { Dice, Run } from '../chaos/run.js'
import { follow, type FollowOptions } from '../chaos/stream-client.js'
import { chat } from '../chaos/websocket-client.js'
import type { Service } from './service.js'
import type { Troubles } from './troubles.js'

/** What is told of as a change, without what only reads. */
const changes = [
  'notify_change',
  'deploy_request',
  'deploy_response',
  'restart_response',
  'stage_configuration_response'
]

/** From a request to its response, through both agents. */
export interface Latency {
  at: number
  ms: number
}

/** Those who have to hear of everything, until the signal aborts. */
export function followers(run: Run, audit: Run, { url }: Service, dice: Dice, signal: AbortSignal): Promise<void>[] {
  const stay = (name: string, options: Partial<FollowOptions> = {}, into = run) =>
    follow(into, url, name, { dice: dice.fork(), signal, stays: true, ...options })
  return [
    stay('everything', { from: 'earliest' }),
    stay('lines', { format: 'ndjson' }),
    stay('changes', { types: changes }),
    stay('impatient', { gives: 0.01 }),
    stay('audit', { from: 'earliest', path: '/v1/audit/events', as: 'admin' }, audit)
  ]
}

/** Those who ask, until the run is over. */
export function load(
  t: { teardown: (job: () => unknown) => void },
  run: Run,
  { url, port, config }: Service,
  dice: Dice,
  clients: number,
  latencies: Latency[]
): Promise<void>[] {
  const prober = new RestClient(run, url, 'prober')
  const probe = async () => {
    const before = performance.now()
    const said = await prober.ask({ type: 'get_nodes', args: {} }, { wait: 10 })
    if (said?.request?.state === 'succeeded') latencies.push({ at: Date.now(), ms: performance.now() - before })
  }
  return [
    ...Array.from({ length: clients }, (_, index) => {
      const own = dice.fork()
      return run.repeat(own, [200, 600], () => turn(run, url, `rest-${index}`, own, config))
    }),
    run.repeat(dice.fork(), [300, 1_000], async () => await chat(t, run, port, 'websocket', dice, config)),
    run.repeat(dice.fork(), [400, 600], probe)
  ]
}

/** Trouble that does not touch the controller's life, until the signal aborts. One in `unit` milliseconds. */
export function nuisances(
  run: Run,
  { url }: Service,
  troubles: Troubles,
  dice: Dice,
  unit: number,
  signal: AbortSignal
): Promise<void>[] {
  const again = (from: number, to: number, turn: (dice: Dice) => unknown) =>
    every(run, dice.fork(), [from, to], signal, turn)
  return [
    again(500, 2_000, async dice => await troubles.vanish(dice)),
    again(5_000, 15_000, async () => await troubles.stall(12_000, signal)),
    // Reads on from the oldest change that is kept, while that is dropped.
    again(
      3_000,
      10_000,
      async dice =>
        await follow(run, url, run.name('replayer'), {
          dice,
          types: changes,
          from: 'earliest',
          signal: AbortSignal.any([signal, AbortSignal.timeout(3_000)])
        })
    ),
    again(unit / 2, unit * 1.5, dice => troubles.killNode(dice)),
    again(unit, unit * 3, async () => await troubles.revoke())
  ]
}

/** Ends the controller and agents now and then, until the signal aborts. */
export function kills(run: Run, troubles: Troubles, dice: Dice, unit: number, signal: AbortSignal): Promise<void>[] {
  return [
    every(run, dice.fork(), [unit / 2, unit * 1.5], signal, async dice => await troubles.killController(dice)),
    every(run, dice.fork(), [unit, unit * 2], signal, dice => troubles.killAgent(dice))
  ]
}

/** After a pause, and again after another. What it does is done to its end. */
async function every(
  run: Run,
  dice: Dice,
  [from, to]: [number, number],
  signal: AbortSignal,
  turn: (dice: Dice) => unknown
): Promise<void> {
  for (;;) {
    await sleep(dice.between(from, to), undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    await Promise.resolve(turn(dice)).catch(error => {
      run.faults.push(String(error?.stack ?? error))
    })
  }
}
