import { EventEmitter } from 'node:events'
import type { AssignedNode } from '../../schemas/agent.js'
import type { DesiredState, NodeState, NodeStatus } from '../../schemas/types.js'
import { AppError } from '../errors.js'
import type { Program, UnitStatus } from '../supervisor/program.js'
import { NodeClient } from '../zeek/node-client.js'

export interface Change {
  status: NodeStatus
  old_state: NodeState
  reason: string
}

/** How an attempt to get a node running has ended. */
export type Ending = 'RUNNING' | 'FAILED' | 'STOPPED' | 'TIMEOUT'

/**
 * One node of the agent: what it is made of, and its state.
 *
 *   PENDING --- acknowledged by the node ---> RUNNING
 *      ^  \                                  /   |
 *      |   +------- exit -----> CRASHED <---+    |
 *   started again <--------------+  | too often  |
 *                                   v            v stopped
 *                                 FAILED      STOPPED
 */
export class ManagedNode extends EventEmitter<{ changed: [Change] }> {
  readonly node: AssignedNode
  readonly program: Program
  desired: DesiredState
  #state: NodeState = 'STOPPED'
  #pid: number | undefined
  /** As it was told last. */
  #toldPid: number | undefined
  #client: NodeClient | undefined

  constructor (node: AssignedNode, program: Program) {
    super()
    this.setMaxListeners(0)
    this.node = node
    this.program = program
    this.desired = node.desired_state ?? 'RUNNING'
  }

  get status (): NodeStatus {
    const { name, role, port, metrics_port: metricsPort } = this.node
    return {
      node: name,
      state: this.#state,
      mgmt_role: 'NODE',
      cluster_role: role,
      ...(this.#pid === undefined ? {} : { pid: this.#pid }),
      ...(port === undefined ? {} : { port }),
      ...(metricsPort === undefined ? {} : { metrics_port: metricsPort })
    }
  }

  get client (): NodeClient | undefined { return this.#client }

  /** The value of an identifier, as a JSON text. Throws an AppError when it has none, or is not asked in this state. */
  async idValue (id: string, signal: AbortSignal): Promise<string> {
    if (this.#state !== 'RUNNING' || !this.#client) throw new AppError('unavailable', `cluster node ${this.node.name} not in running state`)
    return await this.#client.idValue(id, signal)
  }

  /** Follows what the supervisor says of the program. */
  follow (unit: UnitStatus): void {
    const isNew = unit.pid !== this.#pid
    this.#pid = unit.pid
    if (unit.state === 'RUNNING') {
      // Reconnected for each process: a socket to the one before could still be open.
      if (isNew || !this.#client) {
        this.#client?.close()
        this.#client = new NodeClient(this.node.name, this.node.agent_port, () => this.#change('RUNNING', 'joined the cluster'))
        this.#change('PENDING', unit.reason)
      }
    } else {
      this.#disconnect()
      this.#change(unit.state, unit.reason)
    }
  }

  /** It is about to be started: what it was before no longer counts. */
  expect (): void {
    this.#disconnect()
    this.#pid = undefined
    this.#change('PENDING', 'starting')
  }

  /** Tells of a state in which it has been from the start. */
  tell (reason: string): void {
    this.emit('changed', { status: this.status, old_state: this.#state, reason })
  }

  /** Waits until it runs, has exited, is stopped, or the signal aborts. */
  async ending (signal: AbortSignal): Promise<Ending> {
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

  #disconnect (): void {
    this.#client?.close()
    this.#client = undefined
  }

  #endingOf (state: NodeState): Ending | undefined {
    if (state === 'RUNNING' || state === 'STOPPED') return state
    return state === 'CRASHED' || state === 'FAILED' ? 'FAILED' : undefined
  }

  #change (state: NodeState, reason: string): void {
    const old = this.#state
    if (state === old && this.#pid === this.#toldPid) return
    this.#state = state
    this.#toldPid = this.#pid
    this.emit('changed', { status: this.status, old_state: old, reason })
  }
}
