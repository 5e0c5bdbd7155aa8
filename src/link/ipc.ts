import type { ChildProcess } from 'node:child_process'
import type { Receiver, Transport } from './transport.js'

/** Node's IPC channel, at the parent's end (a child process) or at the child's (`process`). */
export class IpcTransport implements Transport {
  #channel: ChildProcess | NodeJS.Process
  #sending = 0
  #drained = () => {}
  #closing: Promise<void> | undefined

  constructor(channel: ChildProcess | NodeJS.Process) {
    this.#channel = channel
  }

  send(text: string): void {
    if (this.#closing || !this.#channel.connected) return
    this.#sending++
    this.#channel.send!(text, undefined, undefined, () => {
      // It is sent, or failed because the other end is gone, which `disconnect` reports.
      if (--this.#sending === 0) this.#drained()
    })
  }

  /** Closes the channel after the sends under way: a process that exits before they are through loses them. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    if (this.#sending > 0 && this.#channel.connected) {
      await new Promise<void>(resolve => {
        this.#drained = resolve
        this.#channel.once('disconnect', resolve)
      })
    }
    if (this.#channel.connected) this.#channel.disconnect!()
  }

  receive(receiver: Receiver): void {
    this.#channel.on('message', text => receiver.message(String(text)))
    this.#channel.once('disconnect', () => receiver.closed('the process at the other end is gone'))
  }
}
