import { hasLabels, type Group, type Labels } from '../../schemas/groups.js'
import { suggestion } from '../../schemas/nearest.js'
import { groupBy } from '../util.js'

/** What a group needs to know of an instance. */
export interface LabelledInstance {
  name: string
  labels?: Labels
}

/** The names of the instances that a group is on, in their order; `errors`: why it is on none, or not on all. */
export interface Membership {
  instances: string[]
  errors: string[]
}

const text = ([key, value]: [string, string]) => `${key}=${value}`

/** Finds the instances of groups. */
export class Members {
  #instances: readonly LabelledInstance[]
  #names: Set<string>
  /** Every label of an instance, as a text. */
  #labels: Set<string>

  constructor(instances: readonly LabelledInstance[]) {
    this.#instances = instances
    this.#names = new Set(instances.map(({ name }) => name))
    this.#labels = new Set(instances.flatMap(({ labels = {} }) => Object.entries(labels).map(text)))
  }

  of({ name, instance, instances, labels }: Group): Membership {
    const ways = Object.entries({ instance, instances, labels }).flatMap(([way, value]) => (value ? [way] : []))
    if (ways.length !== 1) {
      const has = ways.length === 0 ? 'none' : ways.join(' and ')
      return none(`group '${name}': exactly one of instance, instances and labels is needed, it has ${has}`)
    }
    return labels ? this.#labelled(name, labels) : this.#named(name, instances ?? [instance!])
  }

  #named(group: string, names: readonly string[]): Membership {
    const groups = groupBy(names, name => name)
    const distinct = [...groups.keys()]
    const twice = distinct.filter(name => groups.get(name)!.length > 1)
    const unknown = distinct.filter(name => !this.#names.has(name))
    return {
      instances: distinct.filter(name => this.#names.has(name)),
      errors: [
        ...twice.map(name => `group '${group}': instance '${name}' is there twice`),
        ...unknown.map(
          name => `group '${group}' has undeclared instance name '${name}'${suggestion(name, this.#names)}`
        )
      ]
    }
  }

  #labelled(group: string, labels: Labels): Membership {
    const wanted = Object.entries(labels)
    const found = this.#instances.filter(instance => hasLabels(instance, labels))
    if (found.length > 0) return { instances: [...new Set(found.map(({ name }) => name))], errors: [] }
    const unknown = wanted.map(text).find(label => !this.#labels.has(label))
    return none(
      `group '${group}': no instance has the labels ${wanted.map(text).join(', ')}` +
        (unknown === undefined ? '' : suggestion(unknown, this.#labels))
    )
  }
}

const none = (error: string): Membership => ({ instances: [], errors: [error] })
