/** Counts the listeners that are added to a signal from now on, less those that are removed. */
export function countListeners(signal: AbortSignal): () => number {
  let listeners = 0
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: unknown[]) => {
    listeners++
    Reflect.apply(addEventListener, signal, args)
  }
  signal.removeEventListener = (...args: unknown[]) => {
    listeners--
    Reflect.apply(removeEventListener, signal, args)
  }
  return () => listeners
}
