import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits until something is true. The limit is for what never is: a loaded machine may take long. Looks less often after
 * a while, not to load it itself.
 */
export async function until<T>(
  what: () => T | Promise<T>,
  text: string,
  ms = 60_000
): Promise<Exclude<T, false | null | undefined>> {
  const end = Date.now() + ms
  for (let pause = 10; ; pause = Math.min(pause * 1.3, 100)) {
    const value = await what()
    if (value) return value as Exclude<T, false | null | undefined>
    if (Date.now() > end) throw new Error(`still not so: ${text}`)
    await sleep(pause)
  }
}
