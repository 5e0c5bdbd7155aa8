import { isDeepStrictEqual } from 'node:util'
import type { Capture, CaptureResult, Replay } from '../../../schemas/captures.js'
import type { Finding } from '../../../schemas/operations.js'
import type { ClusterNode, Outcome } from '../../../schemas/types.js'
import { AppError, messageOf, requestTimedOut } from '../../errors.js'
import type { Answer, Task } from '../../requests/task.js'
import { compare, groupBy } from '../../util.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Shares } from '../cluster/shares.js'
import type { Fleet } from '../fleet.js'
import { compareReplays, lossesOf, remarksOf } from './captures.js'

/** Most findings of a result: those of many captures together. */
const maxFindings = 1000

/** A worker that reads captures as what it is to be, and as what it is, if that is known. */
interface Reader {
  worker: ClusterNode
  before?: { worker: ClusterNode; shares: Shares } | undefined
}

/** Has an agent read the captures of a configuration, with what is deployed and with what is to be. */
export class Replays {
  #fleet: Fleet
  #cluster: Cluster

  constructor(fleet: Fleet, cluster: Cluster) {
    this.#fleet = fleet
    this.#cluster = cluster
  }

  /**
   * Has the captures of shares read as one of these nodes. Returns one result, of the instance that has read them; none
   * where there are no captures and none are required. What is lost fails it where they are required; what was not read
   * in time, or was lost with its agent, in any case.
   */
  async run(shares: Shares, nodes: readonly ClusterNode[], isRequired: boolean, task: Task): Promise<Answer> {
    const { captures = [], bundle } = shares.deployment.configuration
    const level: Finding['level'] = isRequired ? 'error' : 'warning'
    if (captures.length === 0 || bundle === undefined) {
      const missing = outcomeOf([], [{ level, message: 'require: the configuration has no captures' }])
      return { results: isRequired ? [missing] : [] }
    }
    const readers = this.#readers(shares, nodes)
    let why = 'no worker that passes its check is on an instance that is connected'
    for (const reader of readers) {
      const { instance } = reader.worker
      try {
        const results = await this.#readAll(shares, captures, reader, task)
        const losses = results.flatMap(lossesOf).map((message): Finding => ({ level, message }))
        return { results: [outcomeOf(results, [...losses, ...results.flatMap(remarksOf)], instance)] }
      } catch (error) {
        if (!isUnknownMethod(error)) {
          const code = error instanceof AppError ? error.code : undefined
          const isLate = code === 'timeout'
          const message = `captures were not read: ${isLate ? requestTimedOut : messageOf(error)}`
          const finding = { level: isLate || code === 'unavailable' ? 'error' : level, message } as const
          return { results: [outcomeOf([], [finding], instance)], timedOut: isLate }
        }
        why = `the agent of instance ${instance} is of an earlier version`
      }
    }
    const unread = { level, message: `captures cannot be read: ${why}` }
    return { results: [outcomeOf([], [unread], readers[0]?.worker.instance)] }
  }

  /** Returns a worker of each connected instance; those first that can be compared with what is deployed. */
  #readers(shares: Shares, nodes: readonly ClusterNode[]): Reader[] {
    const workers = nodes.filter(({ role, instance }) => role === 'WORKER' && this.#fleet.member(instance))
    const before = this.#cluster.shares?.deployment === shares.deployment ? undefined : this.#cluster.shares
    const first = [...groupBy(workers, ({ instance }) => instance).values()].map(([worker]) => worker!)
    const readers = first
      .sort((a, b) => compare(a.instance, b.instance))
      .map((worker): Reader => {
        const deployed = before?.nodes(worker.instance).filter(({ role }) => role === 'WORKER') ?? []
        const same = deployed.find(({ name }) => name === worker.name) ?? deployed[0]
        return { worker, ...(before && same && { before: { worker: same, shares: before } }) }
      })
    return readers.sort((a, b) => Number(b.before !== undefined) - Number(a.before !== undefined))
  }

  async #readAll(
    shares: Shares,
    captures: readonly Capture[],
    { worker, before }: Reader,
    task: Task
  ): Promise<CaptureResult[]> {
    const read = async (of: Shares, { instance, name: node }: ClusterNode, { file }: Capture): Promise<Replay> =>
      await this.#fleet.ask(
        instance,
        'replay',
        { share: of.of(instance, new Set()), node, bundle: shares.deployment.configuration.bundle!, file },
        { timeoutMs: task.remainingMs(), reqid: task.reqid }
      )
    const isSame = before && isDeepStrictEqual(contentOf(before.shares, before.worker), contentOf(shares, worker))
    const results: CaptureResult[] = []
    // Agents that lack the layout of these shares ask for it.
    await this.#cluster.offering(shares, async () => {
      for (const capture of captures) {
        const earlier = before && !isSame ? await read(before.shares, before.worker, capture) : undefined
        results.push(compareReplays(capture, await read(shares, worker, capture), earlier))
      }
    })
    return results
  }
}

/** Returns what a node makes of packets depends on, as far as a configuration says it. */
function contentOf({ deployment }: Shares, { scripts, options, env, load_local: loadsLocal }: ClusterNode) {
  return { bundle: deployment.configuration.bundle, scripts, options, env, loadsLocal }
}

/** An agent that does not know the method says so; what else it has to say is in its answer. */
const isUnknownMethod = (error: unknown) => error instanceof AppError && error.code === 'not_found'

function outcomeOf(captures: CaptureResult[], all: readonly Finding[], instance?: string): Outcome {
  const findings = all.slice(0, maxFindings)
  const about = { ...(instance === undefined ? {} : { instance }), data: { findings, captures } }
  const first = findings.find(({ level }) => level === 'error')
  return first === undefined ? { success: true, ...about } : { success: false, error: first.message, ...about }
}
