import { refusalOf } from '../api.js'
import { baseUrl } from '../context.js'
import type { Bundle } from '../model/bundles.js'
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

  /** Sends what is chosen, and has a name point to it, unless that is empty. Returns the bundle; undefined without one. */
  async send(name: string): Promise<Bundle | undefined> {
    const { file, sent } = this.#state
    if (!file || sent !== undefined) return undefined
    const { signal } = (this.#closing = new AbortController())
    this.#set({ ...nothing, file, sent: 0 })
    window.addEventListener('beforeunload', warn)
    try {
      const done = await sendArchive(file, name, { signal, onSent: sent => this.#set({ ...this.#state, sent }) })
      this.#set({ ...nothing, file, done })
      return done.bundle
    } catch (error) {
      this.#set({ ...nothing, file, failure: signal.aborted ? undefined : (error as Error) })
      return undefined
    } finally {
      window.removeEventListener('beforeunload', warn)
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

const warn = (event: BeforeUnloadEvent) => event.preventDefault()

interface SendOptions {
  signal: AbortSignal
  /** Is told how many bytes are on their way. */
  onSent: (bytes: number) => void
}

/**
 * Sends an archive as it is on the disk. Throws a Refusal, or an Error when it could not be read, or did not arrive. By
 * XMLHttpRequest: `fetch` does not tell how far it is.
 */
async function sendArchive(file: File, name: string, { signal, onSent }: SendOptions) {
  const query = name === '' ? '' : `?name=${encodeURIComponent(name)}`
  const request = new XMLHttpRequest()
  request.open('POST', `${baseUrl}v1/bundles${query}`)
  request.setRequestHeader('content-type', 'application/octet-stream')
  request.upload.onprogress = ({ loaded }) => onSent(loaded)
  signal.addEventListener('abort', () => request.abort())
  const status = await new Promise<number>(resolve => {
    request.onloadend = () => resolve(request.status)
    request.send(file)
  })
  signal.throwIfAborted()
  if (status === 0) throw await reasonOf(file)
  if (status >= 300) throw await refusalOf(new Response(request.responseText, { status }))
  return { bundle: JSON.parse(request.responseText) as Bundle, isNew: status === 201 }
}

/** Returns why a file did not arrive: browsers do not say. */
async function reasonOf(file: File): Promise<Error> {
  try {
    await file.slice(0, 1).arrayBuffer()
  } catch {
    return new Error('it cannot be read: it was changed or moved, or is a directory. Choose it again')
  }
  return new Error('the connection was lost before the controller has answered. It can be sent again')
}
