/** Which page of a list. */
export interface PageQuery {
  limit: number
  /** The `next` of the page before. */
  after?: string | undefined
}

/**
 * Returns the items of a list, page by page, until there are `limit` or no more; no page has more than are wanted, and
 * none more than `pageMax`. `read` gets one page: its items, and `next` where there are more.
 */
export async function itemsOf<Item>(
  { limit = Infinity, pageMax }: { limit?: number; pageMax: number },
  read: (query: PageQuery) => Promise<{ items: readonly Item[]; next?: string | undefined }>
): Promise<Item[]> {
  const all: Item[] = []
  let after: string | undefined
  do {
    const { items, next } = await read({ limit: Math.min(limit - all.length, pageMax), after })
    all.push(...items)
    after = next
  } while (after !== undefined && all.length < limit)
  return all
}
