import type { LoggedEvent } from '../../schemas/events.js'

export interface FilterFields {
  types?: readonly string[] | undefined
  reqid?: string | undefined
  instance?: string | undefined
  node?: string | undefined
}

/** How a reader sees events who may not see all of them, nor all that is in them. */
export interface Lens {
  /** Equal for those that show the same. */
  readonly key: string
  /** What it shows by: as long as that is the same, less is not shown. */
  readonly basis: unknown
  /** Returns an event as it is seen now; undefined for one that is not. */
  see(event: LoggedEvent): LoggedEvent | undefined
}

/** The events that a reader wants: those that match every given field. */
export class Filter {
  readonly reqid: string | undefined
  /** Equal for filters that let the same events through. */
  readonly key: string
  /** Undefined for a reader who sees everything. */
  readonly lens: Lens | undefined
  #fields: FilterFields
  #types: Set<string> | undefined

  constructor(fields: FilterFields, lens?: Lens) {
    const types = fields.types && [...new Set(fields.types)].sort()
    this.#fields = fields
    this.#types = types && new Set(types)
    this.reqid = fields.reqid
    this.lens = lens
    this.key = JSON.stringify([types, fields.reqid, fields.instance, fields.node, lens?.key])
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

  /** Returns an event that matches as the reader sees it now; undefined for one that is not seen. */
  see<E extends LoggedEvent>(event: E): LoggedEvent | undefined {
    return this.lens ? this.lens.see(event) : event
  }
}
