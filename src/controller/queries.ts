import type { Configuration, Instance, Outcome } from '../../schemas/types.js'
import type { Answer, Task } from '../task.js'
import { compare, groupBy } from '../util.js'
import { askInstance } from './ask.js'
import type { AgentMethod, Fleet } from './fleet.js'

const failed = (error: string): Answer => ({ results: [{ success: false, error }] })

/** Questions to the agents, and requests about nodes that already run. */
export class Queries {
  #fleet: Fleet

  constructor (fleet: Fleet) {
    this.#fleet = fleet
  }

  getInstances (deployed: Configuration | undefined): Answer {
    const instances = this.#fleet.connected().map(({ name, host }): Instance => {
      const port = deployed?.instances.find(instance => instance.name === name)?.listen_port
      return { name, host, ...(port === undefined ? {} : { listen_port: port }) }
    })
    return { results: [{ success: true, data: { instances } }] }
  }

  /** Agents are not asked: they tell of each change when it happens, and one that is silent is soon lost. */
  getNodes (): Answer {
    const members = this.#fleet.connected()
    if (members.length === 0) return failed('no instances connected')
    return { results: members.map(({ name: instance, statuses }) => ({ success: true, instance, data: { nodes: [...statuses.values()] } })) }
  }

  async getIdValue (id: string, names: readonly string[], deployed: Configuration | undefined, task: Task): Promise<Answer> {
    if (!deployed) return failed('no cluster deployed')
    return await this.#ofNodes('get_id_value', names, deployed, task, nodes => ({ id, nodes }))
  }

  async restart (names: readonly string[], deployed: Configuration | undefined, task: Task): Promise<Answer> {
    if (this.#fleet.connected().length === 0) return failed('no instances connected')
    if (!deployed) return failed('no active cluster deployment')
    return await this.#ofNodes('restart', names, deployed, task, nodes => ({ nodes }))
  }

  /** Asks each instance for its part of the named nodes (all, when none is named). One outcome per node. */
  async #ofNodes (method: AgentMethod, names: readonly string[], { nodes }: Configuration, task: Task, params: (nodes: string[]) => object): Promise<Answer> {
    const wanted = [...new Set(names.length > 0 ? names : nodes.map(({ name }) => name))].sort(compare)
    const known = new Map(nodes.map(({ name, instance }) => [name, instance]))
    const unknown: Outcome[] = wanted.filter(name => !known.has(name)).map(node => ({ success: false, node, error: 'unknown cluster node' }))
    const byInstance = groupBy(wanted.filter(name => known.has(name)), name => known.get(name)!)
    const late = await Promise.all([...byInstance].map(([instance, group]) => askInstance(this.#fleet, task, instance, method, params(group),
      outcomes => outcomes,
      error => group.map(node => ({ success: false, instance, node, error })))))
    return { results: unknown, timedOut: late.includes(true) }
  }
}
