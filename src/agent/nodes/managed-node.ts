import { EventEmitter } from 'node:events'
import { performance } from 'node:perf_hooks'
import type { AssignedNode } from '../../../schemas/agent.js'
import type { RuntimeOption } from '../../../schemas/runtime-options.js'
import type { DesiredState, NodeState, NodeStatus } from '../../../schemas/types.js'
import { AppError } from '../../errors.js'
import { looksSecret, type IsSecret } from '../../security/secret-names.js'
import type { Program, UnitStatus } from '../../supervisor/program.js'
import { defined } from '../../util.js'
import { Channel, type Beat } from '../../zeek/channel.js'
import type { Origin } from './origin.js'
import { channelOf } from './zeek-program.js'

export interface Change {
  status: NodeStatus
  old_state: NodeState
  reason: string
}

/** How an attempt to get a node running has ended. */
export type Ending = 'RUNNING' | 'FAILED' | 'STOPPED' | 'TIMEOUT'

/** Times after which a node counts as unresponsive, in milliseconds. */
export interface Patience {
  /** Time without a sign of life after which its state is UNKNOWN. */
  silentMs: number
  /** Time without a sign of life after which `stuck` is emitted. 0: never. */
  stuckMs: number
}

/**
 * One node of the agent: what it is made of, and its state.
 *
 *   PENDING ---- says that it has joined ----> RUNNING <---- says something ----+
 *      ^  \                                  /   |   |                            |
 *      |   +------- exit -----> CRASHED <---+    |   +--- nothing for long ---> UNKNOWN
 *   started again <--------------+  | too often  |
 *                                   v            v stopped
 *                                 FAILED      STOPPED
 *
 * Emits `changed` for each change of its status, and `stuck` when it has said nothing for too long.
 */
export class ManagedNode extends EventEmitter<{ changed: [Change]; stuck: [seconds: number] }> {
  readonly node: AssignedNode
  readonly program: Program
  desired: DesiredState
  /** What its process was made from; undefined when that is not known. */
  origin: Origin | undefined
  /** Returns whether something of it is secret, by its name. */
  readonly isSecret: IsSecret
  /** The options that it sets while it runs: what is secret of them is secret in whatever it tells. */
  runtimeOptions: readonly RuntimeOption[] = []
  /** Nodes of the cluster that it should see and does not. */
  unseen: readonly string[] = []
  /** How many errors its process has reported; undefined where it has not told. */
  errors: number | undefined
  /** How long it took when it was last started, until it had joined, in seconds; undefined when it was not. */
  startSeconds: number | undefined
  #patience: Patience
  #state: NodeState = 'STOPPED'
  #reason = 'not started'
  #since = new Date()
  /** When its state last changed, by a clock that does not jump. */
  #changedAt = performance.now()
  #pid: number | undefined
  /** Process ID in the last `changed` event. */
  #toldPid: number | undefined
  #invocation: string | undefined
  #restarts = 0
  #channel: Channel | undefined
  /** Whether it was marked as about to be started, and has not come up since. */
  #isExpected = false
  /** Whether its process has joined the cluster. */
  #joined = false
  /** When its process last gave a sign of life; undefined before the first one. */
  #heardAt: number | undefined
  #silence: NodeJS.Timeout | undefined

  constructor(node: AssignedNode, program: Program, patience: Patience, isSecret = looksSecret) {
    super()
    this.setMaxListeners(0)
    this.node = node
    this.program = program
    this.isSecret = isSecret
    this.desired = node.desired_state ?? 'RUNNING'
    this.#patience = patience
  }

  get status(): NodeStatus {
    const { name, role, port, metrics_port: metricsPort } = this.node
    return {
      node: name,
      state: this.#state,
      mgmt_role: 'NODE',
      cluster_role: role,
      ...defined({ pid: this.#pid, port, metrics_port: metricsPort }),
      since: this.#since.toISOString(),
      reason: this.#reason,
      ...(this.#heardAt === undefined ? {} : { responding: this.#state !== 'UNKNOWN' }),
      restarts: this.#restarts
    }
  }

  /** Identifies its process; undefined where there is none. */
  get invocation(): string | undefined {
    return this.#invocation
  }

  /** Seconds since it came into its state. */
  get seconds(): number {
    return Math.round((performance.now() - this.#changedAt) / 1000)
  }

  /**
   * Returns the value of an identifier, as JSON text. Throws an AppError when it has none, or the node does not run.
   */
  async idValue(id: string, signal: AbortSignal): Promise<string> {
    if (this.#state !== 'RUNNING' || !this.#channel) throw this.#notRunning()
    return await this.#channel.idValue(id, signal)
  }

  /**
   * Has its process set these options, and no others, also while it does not answer. Resolves with what Zeek's reader
   * complains of. Throws an AppError when there is no process, or it does not answer.
   */
  async setOptions(options: readonly RuntimeOption[], signal: AbortSignal): Promise<string[]> {
    this.runtimeOptions = options
    if (!this.#channel) throw this.#notRunning()
    return await this.#channel.setOptions(options, signal)
  }

  /** Updates the state from what the supervisor reports about the program. */
  follow(unit: UnitStatus): void {
    this.#pid = unit.pid
    this.origin = unit.origin as Origin | undefined
    this.#restarts = unit.restarts
    if (unit.state !== 'RUNNING') {
      this.#disconnect()
      this.#change(unit.state, unit.reason)
    } else if (unit.invocation !== this.#invocation) {
      this.#disconnect()
      this.#invocation = unit.invocation
      this.#channel = new Channel(channelOf(this.program.cwd), unit.invocation ?? '', (beat, ageMs) =>
        this.#hear(beat, ageMs)
      )
      this.#change('PENDING', unit.reason)
    }
  }

  /** Marks the node as about to be started: its state before no longer counts. */
  expect(reason = 'starting'): void {
    this.#disconnect()
    this.#pid = undefined
    this.#restarts = 0
    this.#isExpected = true
    this.#change('PENDING', reason)
  }

  /** Marks the node as one that cannot be started. */
  refuse(reason: string): void {
    this.#change('FAILED', reason)
  }

  /** Emits `changed` for a state in which it has been from the start. */
  tell(reason: string): void {
    this.#reason = reason
    this.emit('changed', { status: this.status, old_state: this.#state, reason })
  }

  /** Resolves once it runs, has exited, is stopped, is silent for too long, or the signal aborts. */
  async ending(signal: AbortSignal): Promise<Ending> {
    const now = this.#endingOf(this.#state)
    if (now) return now
    return await new Promise<Ending>(resolve => {
      const done = (ending: Ending) => {
        this.off('changed', look)
        signal.removeEventListener('abort', giveUp)
        resolve(ending)
      }
      const look = ({ status }: Change) => {
        const ending = this.#endingOf(status.state)
        if (ending) done(ending)
      }
      const giveUp = () => done('TIMEOUT')
      this.on('changed', look)
      signal.addEventListener('abort', giveUp, { once: true })
      if (signal.aborted) giveUp()
    })
  }

  /** Handles a sign of life from the process; `beat` is undefined when it could not be understood. */
  #hear(beat: Beat | undefined, ageMs: number): void {
    const { silentMs } = this.#patience
    this.#heardAt = performance.now() - ageMs
    clearTimeout(this.#silence)
    if (beat) {
      this.unseen = beat.unseen
      this.errors = beat.errors
      this.#joined ||= beat.joined
    }
    // An agent that has just been started must not trust a sign of life that is too old.
    if (ageMs >= silentMs) {
      void this.#doubt()
      return
    }
    this.#silence = setTimeout(() => {
      void this.#doubt()
    }, silentMs - ageMs)
    if (this.#joined) this.#change('RUNNING', this.#state === 'UNKNOWN' ? 'answers again' : 'joined the cluster')
    else if (this.#state === 'UNKNOWN') this.#change('PENDING', 'answers again')
  }

  /**
   * Sets the state to UNKNOWN after a long silence. It looks once more before: this process, too, can be held up, so
   * that it has not listened.
   */
  async #doubt(): Promise<void> {
    const [channel, heardAt] = [this.#channel, this.#heardAt]
    await channel?.look()
    if (!channel || channel !== this.#channel || heardAt !== this.#heardAt) return
    const { silentMs, stuckMs } = this.#patience
    this.#change('UNKNOWN', `has not answered for ${silentMs / 1000} s`)
    if (stuckMs > 0) {
      this.#silence = setTimeout(
        () => this.emit('stuck', Math.max(silentMs, stuckMs) / 1000),
        Math.max(0, stuckMs - silentMs)
      )
    }
  }

  #notRunning(): AppError {
    return new AppError('unavailable', `cluster node ${this.node.name} not in running state`)
  }

  #disconnect(): void {
    this.#channel?.close(this.#notRunning())
    this.#channel = undefined
    this.#invocation = undefined
    this.#heardAt = undefined
    this.#joined = false
    this.unseen = []
    this.errors = undefined
    clearTimeout(this.#silence)
  }

  #endingOf(state: NodeState): Ending | undefined {
    if (state === 'RUNNING' || state === 'STOPPED') return state
    return state === 'PENDING' ? undefined : 'FAILED'
  }

  #change(state: NodeState, reason: string): void {
    const old = this.#state
    if (state === old && this.#pid === this.#toldPid) return
    if (state === 'RUNNING' && this.#isExpected) {
      this.startSeconds = Math.round((performance.now() - this.#changedAt) / 100) / 10
    }
    if (state !== 'PENDING') this.#isExpected = false
    if (state !== old) [this.#since, this.#changedAt] = [new Date(), performance.now()]
    this.#state = state
    this.#reason = reason
    this.#toldPid = this.#pid
    this.emit('changed', { status: this.status, old_state: old, reason })
  }
}
