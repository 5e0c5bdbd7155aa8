import { EventEmitter } from 'node:events'

/** Whether the node has joined its cluster: it has once it lacks nothing any more. */
export class Membership extends EventEmitter<{ joined: [] }> {
  readonly #lacking = new Set<string>()

  get joined (): boolean {
    return this.#lacking.size === 0
  }

  lack (what: string): void {
    this.#lacking.add(what)
  }

  have (what: string): void {
    if (this.#lacking.delete(what) && this.joined) this.emit('joined')
  }

  whenJoined (action: () => void): void {
    if (this.joined) action()
    else this.once('joined', action)
  }
}
