import {
  isTerminal,
  type Answer,
  type Ask,
  type Audited,
  type Kill,
  type Line,
  type Shown,
  type Told
} from './lines.js'

/** A history, in the order in which its checks look things up. */
export class World {
  readonly lines: readonly Line[]
  readonly asks = new Map<string, Ask & { at: number }>()
  readonly answers: Answer[] = []
  readonly lost = new Set<string>()
  readonly kills: Kill[] = []
  /** As it was at the end. */
  readonly log: Told[] = []
  readonly audit: Audited['entry'][] = []
  readonly requests = new Map<string, Shown>()
  /** What the log tells of each request. */
  readonly stories = new Map<string, Told[]>()
  /** Requests by each text in their arguments. */
  readonly byText = new Map<string, string[]>()
  /** The line at which someone first saw that a request has ended. */
  readonly endSeen = new Map<string, number>()

  constructor(lines: readonly Line[]) {
    this.lines = lines
    for (const [at, line] of lines.entries()) this.#take(line, at)
  }

  #take(line: Line, at: number): void {
    switch (line.kind) {
      case 'ask':
        this.asks.set(line.id, { ...line, at })
        break
      case 'answer':
        this.answers.push(line)
        if (line.request && line.request.state !== 'pending') this.#sawEnd(line.request.reqid, at)
        break
      case 'lost':
        this.lost.add(line.id)
        break
      case 'event':
        if (line.event.reqid !== undefined && isTerminal(line.event)) this.#sawEnd(line.event.reqid, at)
        break
      case 'kill':
        this.kills.push(line)
        break
      case 'logged':
        this.log.push(line.event)
        if (line.event.reqid !== undefined) add(this.stories, line.event.reqid, line.event)
        break
      case 'audited':
        this.audit.push(line.entry)
        break
      case 'stored':
        this.requests.set(line.request.reqid, line.request)
        for (const text of textsOf(line.request.arguments)) add(this.byText, text, line.request.reqid)
        break
      default:
      // Of streams, frames and processes: their checks read the lines themselves.
    }
  }

  #sawEnd(reqid: string, at: number): void {
    if (!this.endSeen.has(reqid)) this.endSeen.set(reqid, at)
  }
}

function add<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list) list.push(item)
  else lists.set(key, [item])
}

/** The different texts in a value, however deep. */
function textsOf(value: unknown): Set<string> {
  if (typeof value === 'string') return new Set([value])
  if (typeof value !== 'object' || value === null) return new Set()
  return new Set(Object.values(value).flatMap(member => [...textsOf(member)]))
}
