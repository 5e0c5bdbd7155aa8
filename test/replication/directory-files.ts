import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Files } from '../../src/replication/log.js'

/** Files that all replicas share, in a directory. */
export function directoryFiles(directory: string): Files {
  const pathOf = (name: string) => join(directory, name)
  return {
    put: async (name, path) => copyFileSync(path, pathOf(name)),
    get: async (name, path) => {
      if (!existsSync(pathOf(name))) return false
      copyFileSync(pathOf(name), path)
      return true
    },
    names: async prefix => readdirSync(directory).filter(name => name.startsWith(prefix)),
    delete: async name => rmSync(pathOf(name))
  }
}
