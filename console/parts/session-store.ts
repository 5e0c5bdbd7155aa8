import { useShared } from '../context.js'

/** What is kept from page to page, of the session that is open: who signs in next sees nothing of it. */
export function sessionStore<T>(make: () => T): () => T {
  const stores = new WeakMap<object, T>()
  return function useStore() {
    const { session } = useShared()
    const kept = stores.get(session)
    if (kept !== undefined) return kept
    const made = make()
    stores.set(session, made)
    return made
  }
}
