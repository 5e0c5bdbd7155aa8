import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { agentApiVersion } from '../../schemas/agent.js'
import type { Release } from '../../schemas/upgrades.js'
import { packageRoot } from '../../src/util.js'
import type { TarEntry } from '../bundles/tar.js'

/** Makes a release of this checkout, as `npm run package` does, but for its Node, which is this one. */
export function makeRelease(home: string, said: Partial<Release> = {}): string {
  const release: Release = {
    version: '1.0.0',
    platform: `${process.platform}-${process.arch}`,
    agent_api_version: agentApiVersion,
    ...said
  }
  for (const part of ['src', 'schemas', 'routes']) {
    cpSync(join(packageRoot, 'dist', part), join(home, 'dist', part), {
      recursive: true,
      filter: path => !/\.(d\.ts|map|tsbuildinfo)$/.test(path)
    })
  }
  mkdirSync(join(home, 'src/zeek'), { recursive: true })
  for (const file of readdirSync(join(packageRoot, 'src/zeek')).filter(name => name.endsWith('.zeek'))) {
    cpSync(join(packageRoot, 'src/zeek', file), join(home, 'src/zeek', file))
  }
  const description = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as object
  writeFileSync(join(home, 'package.json'), JSON.stringify({ ...description, version: release.version }))
  writeFileSync(join(home, 'release.json'), `${JSON.stringify(release)}\n`)
  mkdirSync(join(home, 'bin'))
  writeExecutable(join(home, 'bin/node'), `#!/bin/sh\nexec ${process.execPath} "$@"\n`)
  cpSync(join(packageRoot, 'packaging/zeek-cluster'), join(home, 'bin/zeek-cluster'))
  chmodSync(join(home, 'bin/zeek-cluster'), 0o755)
  return home
}

export function writeExecutable(path: string, text: string): void {
  writeFileSync(path, text)
  chmodSync(path, 0o755)
}

/** Returns a release as what its bundle holds, with other content for some of its files. */
export function entriesOf(home: string, changes: Readonly<Record<string, string>> = {}): TarEntry[] {
  return readdirSync(home, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => {
      const path = join(entry.parentPath, entry.name)
      const name = path.slice(home.length + 1)
      return {
        path: `program/${name}`,
        content: changes[name] ?? readFileSync(path),
        mode: statSync(path).mode & 0o777
      }
    })
}
