import type { LoggedEvent } from '../../schemas/events.js'

export interface FilterFields {
  types?: readonly string[] | undefined
  reqid?: string | undefined
  instance?: string | undefined
  node?: string | undefined
}

/** The events that a reader wants: those that match every given field. */
export class Filter {
  readonly reqid: string | undefined
  /** Equal for filters that let the same events through. */
  readonly key: string
  #fields: FilterFields
  #types: Set<string> | undefined

  constructor(fields: FilterFields) {
    const types = fields.types && [...new Set(fields.types)].sort()
    this.#fields = fields
    this.#types = types && new Set(types)
    this.reqid = fields.reqid
    this.key = JSON.stringify([types, fields.reqid, fields.instance, fields.node])
  }

  matches({ type, reqid, instance, node }: Pick<LoggedEvent, 'type' | 'reqid' | 'instance' | 'node'>): boolean {
    const { reqid: ofRequest, instance: ofInstance, node: ofNode } = this.#fields
    return (
      (this.#types?.has(type) ?? true) &&
      (ofRequest === undefined || ofRequest === reqid) &&
      (ofInstance === undefined || ofInstance === instance) &&
      (ofNode === undefined || ofNode === node)
    )
  }
}
