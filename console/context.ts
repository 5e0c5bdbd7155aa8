import { createContext } from 'preact'
import { useContext, useEffect, useReducer, useRef } from 'preact/hooks'
import { createApi, type Api } from './api.js'
import type { Cluster } from './model/cluster.js'
import type { Role, Schema } from './model/types.js'
import type { Stream } from './stream/stream.js'

/** The URL of the controller, with a slash at its end: the server says in the page how far up it is. */
export const baseUrl = new URL('.', document.baseURI).href
/** The path under which the console is, without a slash at its end. */
export const basePath = new URL(baseUrl).pathname.replace(/\/$/, '')

export const api: Api = createApi(baseUrl)

/** What all pages share. */
export interface Shared {
  stream: Stream
  session: Schema['Session']
}

export const SharedContext = createContext<Shared>(undefined as never)
export const useShared = (): Shared => useContext(SharedContext)

/** Returns what is selected of the cluster, anew when it is another value. `select` must return what is in it. */
export function useCluster<T>(select: (cluster: Cluster) => T): T {
  const { stream } = useShared()
  return useStream(stream, () => select(stream.cluster))
}

/** Returns what `read` returns, anew when it is another value. */
export function useStream<T>(stream: Stream, read: () => T): T {
  const [, draw] = useReducer((count: number) => count + 1, 0)
  const value = read()
  const latest = useRef({ read, value })
  latest.current = { read, value }
  useEffect(
    () =>
      stream.subscribe(() => {
        if (!Object.is(latest.current.read(), latest.current.value)) draw(undefined)
      }),
    [stream]
  )
  return value
}

const powers: Record<string, number> = { viewer: 1, operator: 2, admin: 3 }

/**
 * Returns whether the viewer's role covers another one, for what is of the whole cluster; with `limited`, for what who
 * is limited to some instances may do there, too. The controller decides.
 */
export function useMay(role: Role, { limited = false } = {}): boolean {
  const { session } = useShared()
  return (powers[session.role] ?? 0) >= (powers[role] ?? 0) && (limited || session.labels === undefined)
}

/** Has statistics on the stream while the component is shown. */
export function useStatsWatch(): void {
  const { stream } = useShared()
  useEffect(() => stream.watchStats(), [stream])
}

/** Returns the time, anew every so many milliseconds. */
export function useNow(everyMs = 1000): number {
  const [, draw] = useReducer((count: number) => count + 1, 0)
  useEffect(() => {
    const timer = setInterval(() => draw(undefined), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return Date.now()
}
