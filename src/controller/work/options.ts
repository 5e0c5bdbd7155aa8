import type { OptionOutcome } from '../../../schemas/agent.js'
import type { Arguments } from '../../../schemas/api.js'
import { runtimeOptionsMax } from '../../../schemas/runtime-options.js'
import type { Outcome } from '../../../schemas/types.js'
import { messageOf } from '../../errors.js'
import { failed, noCluster, timedOut, type Answer, type Task } from '../../requests/task.js'
import type { StoredOption } from '../../store/runtime-options.js'
import { compare } from '../../util.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Deployer } from '../cluster/deployer.js'
import type { Shares } from '../cluster/shares.js'
import type { Fleet, Member } from '../fleet.js'

interface OptionsParts {
  cluster: Cluster
  fleet: Fleet
  deployer: Deployer
  now: () => number
}

/** What has become of an option in the nodes of an instance, or why the instance does not answer. */
interface Reply {
  member: Member
  outcomes: readonly OptionOutcome[]
  error?: string
}

/** How long instances may take to go back to what was before, in milliseconds. */
const revertMs = 20_000

/**
 * Options that nodes set while they run. All nodes try a change, and it is kept unless one refuses it: then all set
 * again what they had.
 */
export class Options {
  #parts: OptionsParts

  constructor(parts: OptionsParts) {
    this.#parts = parts
  }

  /** Sets an option in all nodes that have it. */
  async set({ name, value }: Arguments<'set_option'>, task: Task): Promise<Answer> {
    const { cluster, now } = this.#parts
    return await this.#change(name, task, () => {
      const others = without(cluster.options, name)
      if (others.length >= runtimeOptionsMax) return `${runtimeOptionsMax} options are set: unset some`
      return [...others, { name, value, set_at: now(), reqid: task.reqid }].sort((a, b) => compare(a.name, b.name))
    })
  }

  /** Has an option be again what the scripts of each node make it. */
  async unset({ name }: Arguments<'unset_option'>, task: Task): Promise<Answer> {
    const { cluster } = this.#parts
    return await this.#change(name, task, () => {
      const others = without(cluster.options, name)
      return others.length === cluster.options.length ? `option ${name} is not set` : others
    })
  }

  /** Makes a change of one option; `change` returns all options after it, or why there is none. */
  async #change(name: string, task: Task, change: () => readonly StoredOption[] | string): Promise<Answer> {
    const { cluster, deployer } = this.#parts
    return await deployer.exclusively(task, async () => {
      const { shares, options: before } = cluster
      if (!shares) return failed(noCluster)
      const after = change()
      if (typeof after === 'string') return failed(after)
      const tried = await this.#tell(shares, after, { name, timeoutMs: task.remainingMs() })
      if (tried.length === 0) return failed('no instances connected')
      const outcomes = tried.flatMap(reply => reply.outcomes)
      const isRefused = outcomes.some(({ outcome }) => outcome === 'refused')
      const isSet = outcomes.some(({ outcome }) => outcome === 'set')
      // Nobody has tried a value that no running node knows; and the client of a request that has ended learns of none.
      if (isRefused || (!isSet && after.length >= before.length) || task.signal.aborted) {
        await this.#tell(shares, before, { name, timeoutMs: revertMs })
        if (task.signal.aborted) return timedOut()
        if (isRefused) {
          return { results: tried.flatMap(reply => reply.outcomes.map(one => reverted(reply.member.name, one))) }
        }
        const { results } = failed(`no running node has an option ${name}`)
        return { results: [...(outcomes.length > 0 ? results : []), ...silent(tried)] }
      }
      await cluster.setOptions(after)
      const told = new Set(tried.map(({ member }) => member))
      // Who has connected meanwhile has been told what was before.
      await this.#tell(shares, after, { name, timeoutMs: revertMs, except: told })
      return { results: [...tried.flatMap(resultsOf), ...silent(tried), ...away(shares, tried)] }
    })
  }

  /** Tells connected instances which options there are. Resolves with what has become of one of them. */
  async #tell(
    shares: Shares,
    options: readonly StoredOption[],
    { name, timeoutMs, except }: { name: string; timeoutMs: number; except?: ReadonlySet<Member> }
  ): Promise<Reply[]> {
    const { fleet } = this.#parts
    const params = { options: options.map(({ name, value }) => ({ name, value })), changed: name }
    const members = fleet
      .connected()
      .filter(member => shares.nodes(member.name).length > 0 && except?.has(member) !== true)
    return await Promise.all(
      members.map(async (member): Promise<Reply> => {
        try {
          const outcomes = await fleet.ask(member.name, 'set_options', params, { timeoutMs })
          // An agent speaks for no other.
          return { member, outcomes: outcomes.filter(({ node }) => shares.ownerOf(node) === member.name) }
        } catch (error) {
          return { member, outcomes: [], error: messageOf(error) }
        }
      })
    )
  }
}

const without = (options: readonly StoredOption[], name: string) => options.filter(option => option.name !== name)

/** Returns the results of nodes that have tried a change that is kept. */
function resultsOf({ member: { name: instance }, outcomes }: Reply): Outcome[] {
  return outcomes.map(({ node, outcome, value, error = 'its agent does not say why' }): Outcome =>
    outcome === 'unanswered'
      ? { success: false, instance, node, error: `it is not known whether the node has it: ${error}` }
      : { success: true, instance, node, ...(value === undefined ? {} : { data: { value } }) }
  )
}

/** Returns the result of a node that has tried a change that was refused, by it or by another. */
function reverted(instance: string, { node, outcome, error }: OptionOutcome): Outcome {
  if (outcome === 'refused') return { success: false, instance, node, error: error ?? 'the value is refused' }
  return { success: false, instance, node, error: 'not changed: another node refuses the value' }
}

/** Returns the results of instances that have not answered. */
function silent(replies: readonly Reply[]): Outcome[] {
  return replies.flatMap(({ member: { name: instance }, error }): Outcome[] =>
    error === undefined ? [] : [{ success: false, instance, error }]
  )
}

/** Returns the results of instances that were not asked. */
function away(shares: Shares, replies: readonly Reply[]): Outcome[] {
  const asked = new Set(replies.map(({ member }) => member.name))
  return shares.names
    .filter(instance => !asked.has(instance) && shares.nodes(instance).length > 0)
    .map((instance): Outcome => ({
      success: false,
      instance,
      error: `instance ${instance} is not connected: it is told when it connects`
    }))
}
