/** The name of the lock that a tab holds for as long as it is there. */
const lockOf = (tab: string) => `zeek-cluster-tab-${tab}`

/** Shows that a tab is there, until it is closed or has crashed. Resolves once that can be seen. */
export async function showPresence(tab: string): Promise<void> {
  // Browsers have locks only where the page has come over TLS, or from this host.
  if (!('locks' in navigator)) return
  await new Promise<void>(resolve => {
    void navigator.locks.request(lockOf(tab), async () => {
      resolve()
      await new Promise(() => {})
    })
  })
}

/** Calls `gone` once a tab is no longer there. */
export function whenGone(tab: string, gone: () => void): void {
  if ('locks' in navigator) void navigator.locks.request(lockOf(tab), gone)
}
