import type { NodeStep } from '../../../schemas/operations.js'
import type { Outcome } from '../../../schemas/types.js'
import { aborted } from '../../util.js'
import { reasonIn } from '../../zeek/report.js'
import { hiddenCut } from './hidden.js'
import type { ManagedNode } from './managed-node.js'
import { requestTimedOut } from '../../errors.js'

/** What an attempt has to know about the nodes of its instance. */
export interface Nodes {
  instance: string
  get: (name: string) => ManagedNode | undefined
  /** Returns the starts and stops that are under way. */
  steps: () => readonly NodeStep[]
  /** Resolves with the last lines that a node has written. */
  output: (name: string) => Promise<{ stdout: string; stderr: string }>
  /** Resolves when all that was requested of the nodes until now is done. */
  quiet: () => Promise<void>
}

/** Most nodes that an error names, of those that are in the way. */
const namedMax = 3

export const succeeded = (instance: string, node: string): Outcome => ({ success: true, instance, node })
export const failed = (instance: string, node: string, error: string): Outcome => ({
  success: false,
  instance,
  node,
  error
})

/** Attempt to bring nodes into a state until its deadline. Its methods return the outcome of a node, as it is then. */
export class Attempt {
  /** Names of nodes whose turn has come: they are gone, are being started, or need not be started. */
  readonly done = new Set<string>()
  #nodes: Nodes
  #signal: AbortSignal

  constructor(nodes: Nodes, signal: AbortSignal) {
    this.#nodes = nodes
    this.#signal = signal
  }

  /** Returns the outcome of a node that was to be stopped. */
  stopped(name: string): Outcome {
    const { instance, get } = this.#nodes
    if (!get(name)) return failed(instance, name, 'unknown cluster node')
    return this.done.has(name) ? succeeded(instance, name) : this.#unfinished(name)
  }

  /** Resolves with the outcome of a node that was to be started or restarted, once it has joined or failed to. */
  async started(name: string, verb: 'start' | 'restart'): Promise<Outcome> {
    const { instance, get } = this.#nodes
    const isToBeStopped = () => get(name)?.desired === 'STOPPED'
    if (!get(name)) return failed(instance, name, 'unknown cluster node')
    const outcome = isToBeStopped() ? undefined : await this.deployed(name, `could not ${verb} node ${name}: `)
    return outcome && !isToBeStopped() ? outcome : failed(instance, name, `node ${name} was stopped by an operator`)
  }

  /**
   * Resolves with the outcome of a node that was deployed, once it has joined or failed to. `lament` precedes the
   * reason in the error.
   */
  async deployed(name: string, lament = ''): Promise<Outcome> {
    const { instance, get, output } = this.#nodes
    if (!this.done.has(name)) return this.#unfinished(name)
    const node = get(name)
    if (!node) return failed(instance, name, 'unknown cluster node')
    if (node.desired === 'STOPPED') return succeeded(instance, name)
    const ending = await node.ending(this.#signal)
    if (ending === 'RUNNING') return succeeded(instance, name)
    if (ending === 'STOPPED' && (await this.#isBack(name))) return await this.deployed(name, lament)
    const { stdout, stderr } = await output(name).catch(() => ({ stdout: '', stderr: '' }))
    const data = { stdout: hiddenCut(node, stdout), stderr: hiddenCut(node, stderr) }
    if (ending === 'TIMEOUT') return { ...this.#unfinished(name), data }
    // The last output of a silent node does not say why it is silent.
    const { state, reason } = node.status
    const why = state === 'UNKNOWN' ? undefined : reasonIn(data.stderr)
    return { ...failed(instance, name, `${lament}${reason}${why === undefined ? '' : `: ${why}`}`), data }
  }

  /**
   * Waits until another request, which has stopped the node meanwhile, is done. Returns whether the node's state counts
   * then: it is no longer stopped, or is meant to be.
   */
  async #isBack(name: string): Promise<boolean> {
    await Promise.race([this.#nodes.quiet(), aborted(this.#signal)])
    const node = this.#nodes.get(name)
    return node?.status.state !== 'STOPPED' || node.desired === 'STOPPED'
  }

  /** Returns the outcome of a node that is not done when the time is over. */
  #unfinished(node: string): Outcome {
    const { instance, steps } = this.#nodes
    const all = steps()
    // A node whose turn has not come may still be starting because of an earlier request.
    const own = all.find(step => step.node === node && (step.state === 'stopping' || this.done.has(node)))
    if (own) return failed(instance, node, `still ${own.state} after ${own.seconds} s`)
    const others = all.filter(({ state }) => state === 'stopping').map(step => step.node)
    const named = [
      ...others.slice(0, namedMax),
      ...(others.length > namedMax ? [`${others.length - namedMax} others`] : [])
    ]
    return failed(
      instance,
      node,
      named.length === 0 ? requestTimedOut : `${requestTimedOut} while still stopping ${named.join(', ')}`
    )
  }
}
