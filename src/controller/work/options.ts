import type { Arguments } from '../../../schemas/api.js'
import { runtimeOptionsMax } from '../../../schemas/runtime-options.js'
import type { Answer, Task } from '../../requests/task.js'
import type { StoredOption } from '../../store/runtime-options.js'
import { Trial, type TrialParts } from './trial.js'

/** Options that nodes set while they run. */
export class Options {
  #trial: Trial<StoredOption>
  #now: () => number

  constructor(parts: TrialParts & { now: () => number }) {
    const { cluster, fleet, now } = parts
    this.#now = now
    this.#trial = new Trial(parts, {
      kept: cluster.options,
      noun: 'option',
      max: runtimeOptionsMax,
      concerns: (shares, instance) => shares.nodes(instance).length > 0,
      tell: (instance, all, changed, timeoutMs) => {
        const options = all.map(({ name, value }) => ({ name, value }))
        return fleet.ask(instance, 'set_options', { options, changed }, { timeoutMs })
      },
      untried: name => `no running node has an option ${name}`
    })
  }

  /** Sets an option in all nodes that have it. */
  async set({ name, value }: Arguments<'set_option'>, task: Task): Promise<Answer> {
    return await this.#trial.set({ name, value, set_at: this.#now(), reqid: task.reqid }, task)
  }

  /** Has an option be again what the scripts of each node make it. */
  async unset({ name }: Arguments<'unset_option'>, task: Task): Promise<Answer> {
    return await this.#trial.unset(name, task)
  }
}
