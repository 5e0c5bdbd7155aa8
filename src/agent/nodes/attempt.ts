import type { NodeStep } from '../../../schemas/operations.js'
import type { Outcome } from '../../../schemas/types.js'
import { withoutSecrets } from '../../security/secrets.js'
import { aborted } from '../../util.js'
import { reasonIn } from '../../zeek/report.js'
import type { ManagedNode } from './managed-node.js'
import { requestTimedOut } from '../../errors.js'

/** What an attempt has to know of the nodes of its instance. */
export interface Nodes {
  instance: string
  get: (name: string) => ManagedNode | undefined
  /** What they are in the middle of. */
  steps: () => readonly NodeStep[]
  /** The last lines of one. */
  output: (name: string) => Promise<{ stdout: string; stderr: string }>
  /** Resolves when all is done that was asked of them until now. */
  quiet: () => Promise<void>
}

/** How many nodes are named of those that are in the way. */
const namedMax = 3

export const succeeded = (instance: string, node: string): Outcome => ({ success: true, instance, node })
export const failed = (instance: string, node: string, error: string): Outcome => ({
  success: false,
  instance,
  node,
  error
})

/** An attempt to make nodes be something, until its time is over: what it comes to, node by node, as it is then. */
export class Attempt {
  /** The names of nodes whose turn has come, and that are gone, are being started, or need not be. */
  readonly done = new Set<string>()
  #nodes: Nodes
  #signal: AbortSignal

  constructor(nodes: Nodes, signal: AbortSignal) {
    this.#nodes = nodes
    this.#signal = signal
  }

  /** Of a node that was to be gone. */
  stopped(name: string): Outcome {
    const { instance, get } = this.#nodes
    if (!get(name)) return failed(instance, name, 'unknown cluster node')
    return this.done.has(name) ? succeeded(instance, name) : this.#unfinished(name)
  }

  /** Of a node that was to be started or restarted, once it has joined, or has not. */
  async started(name: string, verb: 'start' | 'restart'): Promise<Outcome> {
    const { instance, get } = this.#nodes
    const isToBeStopped = () => get(name)?.desired === 'STOPPED'
    if (!get(name)) return failed(instance, name, 'unknown cluster node')
    const outcome = isToBeStopped() ? undefined : await this.deployed(name, `could not ${verb} node ${name}: `)
    return outcome && !isToBeStopped() ? outcome : failed(instance, name, `node ${name} was stopped by an operator`)
  }

  /** Of a node that was to be as it is deployed: once it has joined, or has not. `lament` precedes why. */
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
    const data = { stdout: withoutSecrets(stdout, node.node), stderr: withoutSecrets(stderr, node.node) }
    if (ending === 'TIMEOUT') return { ...this.#unfinished(name), data }
    // Of one that is silent its last words do not say why.
    const { state, reason } = node.status
    const why = state === 'UNKNOWN' ? undefined : reasonIn(data.stderr)
    return { ...failed(instance, name, `${lament}${reason}${why === undefined ? '' : `: ${why}`}`), data }
  }

  /**
   * Whether a node that someone else has stopped meanwhile is more than that once they are done: then what it is
   * counts.
   */
  async #isBack(name: string): Promise<boolean> {
    await Promise.race([this.#nodes.quiet(), aborted(this.#signal)])
    const node = this.#nodes.get(name)
    return node?.status.state !== 'STOPPED' || node.desired === 'STOPPED'
  }

  /** The time is over. */
  #unfinished(node: string): Outcome {
    const { instance, steps } = this.#nodes
    const all = steps()
    // One whose turn has not come may start still, from before.
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
