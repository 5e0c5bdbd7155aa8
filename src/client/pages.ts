/** A page of a list. */
interface Page {
  /** What the next page comes after; absent in the last one. */
  next?: string | undefined
}

/**
 * Yields the pages of a list until there are `limit` items, or no more; no page has more items than are wanted, and none
 * more than `pageMax`. `read` gets one page, `count` tells how many items it has.
 */
export async function* pagesOf<P extends Page>(
  { limit = Infinity, pageMax }: { limit?: number; pageMax: number },
  read: (query: { limit: number; after?: string | undefined }) => Promise<P>,
  count: (page: P) => number
): AsyncGenerator<P> {
  let after: string | undefined
  for (let left = limit; left > 0;) {
    const page = await read({ limit: Math.min(left, pageMax), after })
    yield page
    left -= count(page)
    after = page.next
    if (after === undefined) return
  }
}
