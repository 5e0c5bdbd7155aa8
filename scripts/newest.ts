import { statSync } from 'node:fs'

/** Returns whether a file is there, and newer than all that it is made of: files, or directories for their lists. */
export function isNewest(file: string, sources: readonly string[]): boolean {
  const made = timeOf(file)
  return made !== undefined && sources.every(source => (timeOf(source) ?? Infinity) < made)
}

const timeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs
