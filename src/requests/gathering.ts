import type { AuditEvent } from '../../schemas/events.js'

/** How long what repeats itself is gathered, before it is told with its count. */
const gatherMs = 60_000
/** The largest number of clients that are counted of those that are told of together. */
const othersMax = 10_000
/** The largest number of different actions that are named of what was gathered. */
const namedMax = 5

/**
 * What was gathered: the most serious entries, each of another action; and how many there were, of how many clients.
 */
export interface Gathered {
  named: readonly AuditEvent[]
  count: number
  /** Undefined when it was one client, with a count of its own. */
  clients?: number
}

export interface GatheringOptions {
  /** The number of entries of one client that are told at once in a minute. */
  atOnce: number
  /** The number of clients that are told of one by one in a minute: those beyond are told of together. */
  clients: number
  tell: (gathered: Gathered) => void
}

/**
 * Tells what clients do, at a rate that they cannot raise: in a minute the first entries of each client at once, the
 * rest together when the minute is over. A minute begins with the first entry after the minute before.
 */
export class Gathering {
  #options: GatheringOptions
  #clients = new Map<string, { told: number; rest: Rest }>()
  #others = { clients: new Set<string>(), rest: new Rest() }
  #timer: NodeJS.Timeout | undefined

  constructor(options: GatheringOptions) {
    this.#options = options
  }

  /** Adds an entry of a client. What weighs more is named before other things. */
  add(client: string, entry: AuditEvent, weight = 0): void {
    const { atOnce, clients, tell } = this.#options
    this.#timer ??= setTimeout(() => this.flush(), gatherMs).unref()
    let known = this.#clients.get(client)
    if (!known && this.#clients.size < clients) this.#clients.set(client, (known = { told: 0, rest: new Rest() }))
    if (!known) {
      if (this.#others.clients.size < othersMax) this.#others.clients.add(client)
      this.#others.rest.add(entry, weight)
    } else if (known.told < atOnce) {
      known.told++
      tell({ named: [entry], count: 1 })
    } else known.rest.add(entry, weight)
  }

  /** Ends the minute: tells what is gathered. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const [known, { clients, rest: others }] = [[...this.#clients.values()], this.#others]
    this.#clients.clear()
    this.#others = { clients: new Set(), rest: new Rest() }
    for (const { rest } of known) if (rest.count > 0) this.#options.tell(rest.gathered)
    if (others.count > 0) this.#options.tell({ ...others.gathered, clients: clients.size })
  }
}

/** What is told later. */
class Rest {
  count = 0
  #named: { entry: AuditEvent; weight: number }[] = []

  add(entry: AuditEvent, weight: number): void {
    this.count++
    if (this.#named.some(other => other.entry.action === entry.action)) return
    this.#named = [...this.#named, { entry, weight }].sort((a, b) => b.weight - a.weight).slice(0, namedMax)
  }

  get gathered(): Gathered {
    return { named: this.#named.map(({ entry }) => entry), count: this.count }
  }
}
