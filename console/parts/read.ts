import { useEffect, useRef, useState } from 'preact/hooks'

/** What was read. */
export interface Read<T> {
  /** What was read last; it stays while it is read again. */
  value: T | undefined
  /** Why the last try has failed: an Error, or a Refusal. */
  failure: Error | undefined
  again: () => void
}

/** Reads something once, and anew when `key` is another one; nothing where that is undefined. */
export function useRead<T>(key: string | undefined, read: (signal: AbortSignal) => Promise<T>): Read<T> {
  const [state, setState] = useState<{ key: string | undefined; value?: T | undefined; failure?: Error }>({ key })
  const [turn, setTurn] = useState(0)
  const latest = useRef(read)
  latest.current = read
  useEffect(() => {
    if (key === undefined) return
    const closing = new AbortController()
    const { signal } = closing
    latest.current(signal).then(
      value => {
        if (!signal.aborted) setState({ key, value })
      },
      error => {
        if (signal.aborted) return
        setState(({ key: of, value }) => ({ key, value: of === key ? value : undefined, failure: error as Error }))
      }
    )
    return () => closing.abort()
  }, [key, turn])
  const isOf = state.key === key
  return {
    value: isOf ? state.value : undefined,
    failure: isOf ? state.failure : undefined,
    again: () => setTurn(before => before + 1)
  }
}
