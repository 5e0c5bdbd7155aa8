import { useEffect, useRef, useState } from 'preact/hooks'

export interface Refreshed<T> {
  value: T | undefined
  /** When the value was so, in milliseconds since 1970. */
  at: number | undefined
  isBusy: boolean
  /** Why the last try has failed. */
  failure: string | undefined
  refresh: () => void
}

/** Reads something now, and again when the page is looked at and the last try is `everyMs` ago. */
export function useRefreshed<T>(
  read: (signal: AbortSignal) => Promise<T>,
  { everyMs, kept }: { everyMs: number; kept?: { value: T; at: number } | undefined }
): Refreshed<T> {
  const [state, setState] = useState<Omit<Refreshed<T>, 'refresh'>>({
    value: kept?.value,
    at: kept?.at,
    isBusy: false,
    failure: undefined
  })
  const latest = useRef(read)
  latest.current = read
  const again = useRef(() => {})
  useEffect(() => {
    const closing = new AbortController()
    const { signal } = closing
    let tried = kept?.at ?? 0
    let isBusy = false
    const look = async (isAsked = false) => {
      const isDue = isAsked || Date.now() - tried >= everyMs
      if (isBusy || !isDue || document.visibilityState !== 'visible') return
      isBusy = true
      tried = Date.now()
      setState(before => ({ ...before, isBusy: true }))
      try {
        const value = await latest.current(signal)
        if (!signal.aborted) setState({ value, at: Date.now(), isBusy: false, failure: undefined })
      } catch (error) {
        if (!signal.aborted) setState(before => ({ ...before, isBusy: false, failure: (error as Error).message }))
      }
      isBusy = false
    }
    again.current = () => void look(true)
    void look()
    const timer = setInterval(() => void look(), 1000)
    document.addEventListener('visibilitychange', () => void look(), { signal })
    return () => {
      clearInterval(timer)
      closing.abort()
    }
  }, [everyMs])
  return { ...state, refresh: () => again.current() }
}
