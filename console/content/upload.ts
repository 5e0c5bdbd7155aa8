import type { Bundle } from '../model/bundles.js'
import { sendFile } from '../parts/send-file.js'
import { sessionStore } from '../parts/session-store.js'

/** How far an upload is. */
export interface UploadState {
  /** What is chosen, being sent, or was sent. */
  file: File | undefined
  /** How many bytes are on their way; undefined while nothing is. */
  sent: number | undefined
  /** Why it was refused, or did not arrive. */
  failure: Error | undefined
  /** What has become of it. `isNew`: the same content was not there before. */
  done: { bundle: Bundle; isNew: boolean } | undefined
}

const nothing: UploadState = { file: undefined, sent: undefined, failure: undefined, done: undefined }

/** The upload of an archive: it goes on while other pages of the console are looked at. */
export class Upload {
  #state = nothing
  #listeners = new Set<() => void>()
  #closing: AbortController | undefined

  get state(): UploadState {
    return this.#state
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Chooses what is sent next; while something is being sent, nothing else is. */
  choose(file: File): void {
    if (this.#state.sent === undefined) this.#set({ ...nothing, file })
  }

  /**
   * Sends what is chosen, and has a name point to it, unless that is empty. Returns the bundle; undefined without one.
   */
  async send(name: string): Promise<Bundle | undefined> {
    const { file, sent } = this.#state
    if (!file || sent !== undefined) return undefined
    const { signal } = (this.#closing = new AbortController())
    this.#set({ ...nothing, file, sent: 0 })
    const query = name === '' ? '' : `?name=${encodeURIComponent(name)}`
    try {
      const { status, answer: bundle } = await sendFile<Bundle>(
        file,
        { method: 'POST', path: `v1/bundles${query}` },
        { signal, onSent: sent => this.#set({ ...this.#state, sent }) }
      )
      this.#set({ ...nothing, file, done: { bundle, isNew: status === 201 } })
      return bundle
    } catch (error) {
      this.#set({ ...nothing, file, failure: signal.aborted ? undefined : (error as Error) })
      return undefined
    }
  }

  /** Stops sending. Nothing is kept of what was sent. */
  cancel(): void {
    this.#closing?.abort()
  }

  /** Forgets what has come of it. */
  forget(): void {
    if (this.#state.done) this.#set(nothing)
  }

  #set(state: UploadState): void {
    this.#state = state
    for (const listener of [...this.#listeners]) listener()
  }
}

export const useUpload = sessionStore(() => new Upload())
