import { NodeOutputStream, type Arguments, type Selector } from '../../../schemas/api.js'
import type { ClusterConfiguration, ClusterNode } from '../../../schemas/types.js'
import type { Scope } from '../../requests/scope.js'
import { failed, type Answer, type Task } from '../../requests/task.js'
import { compare } from '../../util.js'
import { askInstance, askNodes, type NodeQuestion, type OutcomeMethod } from './ask.js'
import type { ParamsOf } from '../../protocol/methods.js'
import { notConnected, type AgentMethods, type Fleet } from '../fleet.js'
import { Ration } from './ration.js'
import { select } from '../cluster/selection.js'

/**
 * Most that the values or outputs of all nodes have in the results of one request, in bytes: they are stored, and sent
 * to everyone who follows.
 */
const resultsBytes = 8_388_608

/** Returns the part of it that each instance has. */
const bytesOfEach = (nodes: readonly ClusterNode[]) =>
  Math.floor(resultsBytes / Math.max(1, new Set(nodes.map(({ instance }) => instance)).size))

/** Most points of the last hour that the results of one request have, which its nodes share: about 3 MB of JSON. */
const historyPoints = 20_000

/** More than an agent sends of one node that is followed, in UTF-16 code units: twice 4 MiB. */
const followedMax = 8_388_608

/** Questions to the agents about what runs. */
export class Queries {
  #fleet: Fleet

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  async getIdValue(
    { id, ...selector }: Arguments<'get_id_value'>,
    deployed: ClusterConfiguration | undefined,
    task: Task
  ): Promise<Answer> {
    return await this.#ask(selector, deployed, task, selected => {
      const maxBytes = bytesOfEach(selected)
      return { method: 'get_id_value', params: nodes => ({ id, nodes, max_bytes: maxBytes }) }
    })
  }

  /** Returns what nodes have written; with `follow`, what they write from now on is sent as events. */
  async getNodeOutput(
    {
      stream,
      lines = 100,
      incarnation = 0,
      follow,
      duration = 60,
      max_lines: maxLines = 1000,
      ...selector
    }: Arguments<'get_node_output'>,
    deployed: ClusterConfiguration | undefined,
    task: Task
  ): Promise<Answer> {
    return await this.#ask<'get_node_output'>(selector, deployed, task, selected => {
      // The last lines of both outputs come first.
      const ration = new Ration(selected, follow ? maxLines + lines * NodeOutputStream.enum.length : 0, followedMax)
      const maxBytes = bytesOfEach(selected)
      return {
        method: 'get_node_output',
        params: nodes => ({
          nodes,
          ...(stream === undefined ? {} : { stream }),
          lines,
          incarnation,
          max_bytes: maxBytes,
          ...(follow ? { follow: { duration, max_lines: maxLines } } : {})
        }),
        onPart: (instance, { node, stream, lines: told }) => {
          const lines = ration.take(instance, node, told)
          if (lines.length > 0) task.tell({ type: 'node_output', reqid: task.reqid, instance, node, stream, lines })
        }
      }
    })
  }

  async diagnose(selector: Selector, deployed: ClusterConfiguration | undefined, task: Task): Promise<Answer> {
    return await this.#ask(selector, deployed, task, () => ({ method: 'diagnose', params: nodes => ({ nodes }) }))
  }

  /** Returns what nodes use and see, with `history` in the last hour, too; with `watch`, samples are sent as events. */
  async getNodeStats(
    { watch, interval = 5, duration = 60, history, ...selector }: Arguments<'get_node_stats'>,
    deployed: ClusterConfiguration | undefined,
    task: Task
  ): Promise<Answer> {
    return await this.#ask<'get_node_stats'>(selector, deployed, task, selected => {
      // Timers may be late or early: one sample more at each end.
      const ration = new Ration(selected, watch ? Math.ceil(duration / interval) + 2 : 0)
      return {
        method: 'get_node_stats',
        params: nodes => ({
          nodes,
          ...(watch ? { watch: { duration, interval } } : {}),
          ...(history ? { history: Math.floor(historyPoints / Math.max(1, selected.length)) } : {})
        }),
        onPart: (instance, told) => {
          const stats = told.filter(({ node }) => ration.take(instance, node, [node]).length > 0)
          if (stats.length > 0) task.tell({ type: 'node_stats', reqid: task.reqid, instance, stats })
        }
      }
    })
  }

  /**
   * Asks the named instances of a scope (all that are connected, when none is named), in the configuration or not, as a
   * whole.
   */
  async askEach<M extends 'get_instance_stats' | 'cleanup'>(
    question: { method: M; params: ParamsOf<AgentMethods[M]> },
    { instances = [], scope }: Pick<Selector, 'instances'> & { scope: Scope },
    task: Task
  ): Promise<Answer> {
    const named =
      instances.length > 0 ? [...new Set(instances)].sort(compare) : this.#fleet.connected().map(({ name }) => name)
    const names = named.filter(name => scope.hasInstance(name))
    const left = instances.length > 0 ? named.filter(name => !scope.hasInstance(name)) : []
    if (names.length + left.length === 0) return failed('no instances connected')
    const late = await Promise.all(names.map(instance => askInstance(this.#fleet, task, { instance, ...question })))
    return {
      results: left.map(instance => ({ success: false, instance, error: notConnected(instance) })),
      timedOut: late.includes(true)
    }
  }

  async #ask<M extends OutcomeMethod>(
    selector: Selector,
    deployed: ClusterConfiguration | undefined,
    task: Task,
    question: (selected: readonly ClusterNode[]) => NodeQuestion<M>
  ): Promise<Answer> {
    if (!deployed) return failed('no cluster deployed')
    const { selected, unknown } = select(selector, deployed)
    return { results: unknown, timedOut: await askNodes(this.#fleet, task, selected, question(selected)) }
  }
}
