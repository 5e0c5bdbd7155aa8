import type { SettingOutcome } from '../../../schemas/agent.js'
import type { Outcome } from '../../../schemas/types.js'
import { messageOf } from '../../errors.js'
import { failed, noCluster, timedOut, type Answer, type Task } from '../../requests/task.js'
import { compare } from '../../util.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Deployer } from '../cluster/deployer.js'
import type { Kept } from '../cluster/kept.js'
import type { Shares } from '../cluster/shares.js'
import type { Fleet, Member } from '../fleet.js'

/** What nodes set while they run: options, or feeds. */
export interface Kind<T extends { name: string }> {
  kept: Kept<T>
  /** What one of them is called, and how many there may be. */
  noun: string
  max: number
  /** Returns whether an instance has nodes that set it. */
  concerns: (shares: Shares, instance: string) => boolean
  /** Has the nodes of an instance set all of these, and no others; one of them has changed. */
  tell: (instance: string, all: readonly T[], changed: string, timeoutMs: number) => Promise<SettingOutcome[]>
  /** Returns why a change fails that no running node has tried. */
  untried: (name: string) => string
}

/** Parts of the controller that a trial needs. */
export interface TrialParts {
  cluster: Cluster
  fleet: Fleet
  deployer: Deployer
}

/** What has become of a change in the nodes of an instance, or why the instance does not answer. */
interface Reply {
  member: Member
  outcomes: readonly SettingOutcome[]
  error?: string
}

/** How long instances may take to go back to what was before, in milliseconds. */
const revertMs = 20_000

/**
 * Changes of what nodes set while they run. All nodes try one, and it is kept unless one refuses it: then all set again
 * what they had.
 */
export class Trial<T extends { name: string }> {
  #parts: TrialParts
  #kind: Kind<T>

  constructor(parts: TrialParts, kind: Kind<T>) {
    this.#parts = parts
    this.#kind = kind
  }

  /** Sets one of them. What is stored is what `finish` makes of it, with what nodes have said. */
  async set(
    one: T,
    task: Task,
    finish: (one: T, outcomes: readonly SettingOutcome[]) => T = same => same
  ): Promise<Answer> {
    const { noun, max } = this.#kind
    return await this.#change(one.name, task, (others, outcomes) => {
      if (others.length >= max) return `${max} ${noun}s are set: unset some`
      return [...others, finish(one, outcomes)].sort((a, b) => compare(a.name, b.name))
    })
  }

  /** Unsets one of them. */
  async unset(name: string, task: Task): Promise<Answer> {
    const { noun, kept } = this.#kind
    return await this.#change(name, task, others =>
      others.length === kept.all.length ? `${noun} ${name} is not set` : others
    )
  }

  /**
   * Changes one of them: `change` returns all that there are then, from the others and from what nodes have said so
   * far, or why it is not possible.
   */
  async #change(
    name: string,
    task: Task,
    change: (others: readonly T[], outcomes: readonly SettingOutcome[]) => readonly T[] | string
  ): Promise<Answer> {
    const { cluster, deployer } = this.#parts
    const { kept, untried } = this.#kind
    return await deployer.exclusively(task, async () => {
      const { shares } = cluster
      if (!shares) return failed(noCluster)
      const before = kept.all
      const others = before.filter(one => one.name !== name)
      const after = change(others, [])
      if (typeof after === 'string') return failed(after)
      const tried = await this.#tell(shares, after, { name, timeoutMs: task.remainingMs() })
      if (tried.length === 0) return failed('no instances connected')
      const outcomes = tried.flatMap(reply => reply.outcomes)
      const isRefused = outcomes.some(({ outcome }) => outcome === 'refused')
      const isSet = outcomes.some(({ outcome }) => outcome === 'set')
      // Nobody has tried what no running node knows; and the client of a request that has ended learns of none.
      if (isRefused || (!isSet && after.length >= before.length) || task.signal.aborted) {
        await this.#tell(shares, before, { name, timeoutMs: revertMs })
        if (task.signal.aborted) return timedOut()
        if (isRefused) {
          const results = tried.flatMap(reply => reply.outcomes.map(one => reverted(reply.member.name, one)))
          return { results: [...results, ...silent(tried)] }
        }
        const { results } = failed(untried(name))
        return { results: [...(outcomes.length > 0 ? results : []), ...silent(tried)] }
      }
      await kept.replace(change(others, outcomes) as readonly T[])
      const told = new Set(tried.map(({ member }) => member))
      // Who has connected meanwhile has been told what was before.
      await this.#tell(shares, after, { name, timeoutMs: revertMs, except: told })
      return { results: [...tried.flatMap(resultsOf), ...silent(tried), ...this.#away(shares, tried)] }
    })
  }

  /** Tells connected instances what there is. Resolves with what has become of one of it. */
  async #tell(
    shares: Shares,
    all: readonly T[],
    { name, timeoutMs, except }: { name: string; timeoutMs: number; except?: ReadonlySet<Member> }
  ): Promise<Reply[]> {
    const { concerns, tell } = this.#kind
    const members = this.#parts.fleet
      .connected()
      .filter(member => concerns(shares, member.name) && except?.has(member) !== true)
    return await Promise.all(
      members.map(async (member): Promise<Reply> => {
        try {
          const outcomes = await tell(member.name, all, name, timeoutMs)
          // An agent speaks for no other.
          return { member, outcomes: outcomes.filter(({ node }) => shares.ownerOf(node) === member.name) }
        } catch (error) {
          return { member, outcomes: [], error: messageOf(error) }
        }
      })
    )
  }

  /** Returns the results of instances that were not asked. */
  #away(shares: Shares, replies: readonly Reply[]): Outcome[] {
    const asked = new Set(replies.map(({ member }) => member.name))
    return shares.names
      .filter(instance => !asked.has(instance) && this.#kind.concerns(shares, instance))
      .map((instance): Outcome => ({
        success: false,
        instance,
        error: `instance ${instance} is not connected: it is told when it connects`
      }))
  }
}

/** Returns the results of nodes that have tried a change that is kept. */
function resultsOf({ member: { name: instance }, outcomes }: Reply): Outcome[] {
  return outcomes.map(({ node, outcome, value, error = 'its agent does not say why' }): Outcome =>
    outcome === 'unanswered'
      ? { success: false, instance, node, error: `it is not known whether the node has it: ${error}` }
      : { success: true, instance, node, ...(value === undefined ? {} : { data: { value } }) }
  )
}

/** Returns the result of a node that has tried a change that was refused, by it or by another. */
function reverted(instance: string, { node, outcome, error }: SettingOutcome): Outcome {
  if (outcome === 'refused') return { success: false, instance, node, error: error ?? 'the value is refused' }
  return { success: false, instance, node, error: 'not changed: another node refuses the value' }
}

/** Returns the results of instances that have not answered. */
function silent(replies: readonly Reply[]): Outcome[] {
  return replies.flatMap(({ member: { name: instance }, error }): Outcome[] =>
    error === undefined ? [] : [{ success: false, instance, error }]
  )
}
