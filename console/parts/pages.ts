import { useEffect, useRef, useState } from 'preact/hooks'

export interface Paged<Item> {
  items: readonly Item[]
  /** When the first page was read; milliseconds since 1970, 0 before. */
  readAt: number
  hasMore: boolean
  isBusy: boolean
  failure: string | undefined
  /** Reads the next page. */
  more: () => void
  /** Reads the first page anew; those that were read after it are dropped. */
  again: () => void
}

/** A page of a list of the API. */
export interface OnePage<Item> {
  items: readonly Item[]
  next?: string | undefined
}

/** Returns a list that the API gives in pages, read anew when `key` is another one. */
export function usePages<Item>(
  key: string,
  read: (after: string | undefined, signal: AbortSignal) => Promise<OnePage<Item>>
): Paged<Item> {
  const [pages, setPages] = useState<{ items: readonly Item[]; next: string | undefined; readAt: number }>(nothing)
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const closing = useRef<AbortController>()
  const load = async (after: string | undefined) => {
    closing.current?.abort()
    const { signal } = (closing.current = new AbortController())
    setBusy(true)
    setFailure(undefined)
    try {
      const { items, next } = await read(after, signal)
      if (signal.aborted) return
      setPages(before => ({
        items: after === undefined ? items : [...before.items, ...items],
        next,
        readAt: after === undefined ? Date.now() : before.readAt
      }))
    } catch (error) {
      if (!signal.aborted) setFailure((error as Error).message)
    }
    if (!signal.aborted) setBusy(false)
  }
  useEffect(() => {
    setPages(nothing)
    void load(undefined)
    return () => closing.current?.abort()
  }, [key])
  return {
    items: pages.items,
    readAt: pages.readAt,
    hasMore: pages.next !== undefined,
    isBusy,
    failure,
    more: () => {
      if (pages.next !== undefined) void load(pages.next)
    },
    again: () => {
      void load(undefined)
    }
  }
}

const nothing = { items: [], next: undefined, readAt: 0 }
