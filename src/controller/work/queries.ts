import type { Arguments, Selector } from '../../../schemas/api.js'
import type { Configuration } from '../../../schemas/types.js'
import { failed, type Answer, type Task } from '../../requests/task.js'
import { compare } from '../../util.js'
import { askInstance, askNodes, type NodeQuestion, type OutcomeMethod } from './ask.js'
import type { Fleet } from '../fleet.js'
import { select } from '../cluster/selection.js'

/** Questions to the agents about what runs. */
export class Queries {
  #fleet: Fleet

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  async getIdValue(
    { id, ...selector }: Arguments<'get_id_value'>,
    deployed: Configuration | undefined,
    task: Task
  ): Promise<Answer> {
    return await this.#ask(selector, deployed, task, { method: 'get_id_value', params: nodes => ({ id, nodes }) })
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
    deployed: Configuration | undefined,
    task: Task
  ): Promise<Answer> {
    return await this.#ask(selector, deployed, task, {
      method: 'get_node_output',
      params: nodes => ({
        nodes,
        ...(stream === undefined ? {} : { stream }),
        lines,
        incarnation,
        ...(follow ? { follow: { duration, max_lines: maxLines } } : {})
      }),
      onPart: (instance, part) => task.tell({ type: 'node_output', reqid: task.reqid, instance, ...part })
    })
  }

  async diagnose(selector: Selector, deployed: Configuration | undefined, task: Task): Promise<Answer> {
    return await this.#ask(selector, deployed, task, { method: 'diagnose', params: nodes => ({ nodes }) })
  }

  /** Returns what nodes use and see; with `watch`, samples are sent as events. */
  async getNodeStats(
    { watch, interval = 5, duration = 60, ...selector }: Arguments<'get_node_stats'>,
    deployed: Configuration | undefined,
    task: Task
  ): Promise<Answer> {
    return await this.#ask(selector, deployed, task, {
      method: 'get_node_stats',
      params: nodes => ({ nodes, ...(watch ? { watch: { duration, interval } } : {}) }),
      onPart: (instance, stats) => task.tell({ type: 'node_stats', reqid: task.reqid, instance, stats })
    })
  }

  /** Asks the named instances (all that are connected, when none is named), in the configuration or not. */
  async getInstanceStats({ instances = [] }: Arguments<'get_instance_stats'>, task: Task): Promise<Answer> {
    const names =
      instances.length > 0 ? [...new Set(instances)].sort(compare) : this.#fleet.connected().map(({ name }) => name)
    if (names.length === 0) return failed('no instances connected')
    const late = await Promise.all(
      names.map(instance =>
        askInstance(this.#fleet, task, {
          instance,
          method: 'get_instance_stats',
          params: {},
          unanswered: error => [{ success: false, instance, error }]
        })
      )
    )
    return { results: [], timedOut: late.includes(true) }
  }

  async #ask<M extends OutcomeMethod>(
    selector: Selector,
    deployed: Configuration | undefined,
    task: Task,
    question: NodeQuestion<M>
  ): Promise<Answer> {
    if (!deployed) return failed('no cluster deployed')
    const { selected, unknown } = select(selector, deployed)
    return { results: unknown, timedOut: await askNodes(this.#fleet, task, selected, question) }
  }
}
