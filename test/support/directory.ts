import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

const directories = new WeakMap<Test, string>()

/**
 * A directory that nobody else has, and that outlives every other teardown: tap removes its own first where it was made
 * before the first of them.
 */
export function directoryOf(t: Test): string {
  // Each call of testdir() empties it.
  if (!directories.has(t)) {
    t.teardown(() => {})
    directories.set(t, t.testdir())
  }
  return mkdtempSync(join(directories.get(t)!, 'd-'))
}
