import { execFileSync } from 'node:child_process'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../src/util.js'

/** Architectures as Node names them, and as others do. */
export const architectures = {
  x64: { debian: 'amd64', rpm: 'x86_64' },
  arm64: { debian: 'arm64', rpm: 'aarch64' }
} as const
export type Architecture = keyof typeof architectures

export const name = 'zeek-cluster-controller'

export interface Packing {
  /** The directory of all that runs. */
  home: string
  /** A directory to work in. */
  work: string
  /** Where the package is put. */
  out: string
  arch: Architecture
  /** Seconds since 1970: the time of what is packed, https://reproducible-builds.org/specs/source-date-epoch/ */
  epoch: string
  /** How hard xz tries to make it small: 0 to 9. */
  effort: number
  maintainer: string
}

/** Runs a command to its end. Returns what it has printed; throws when it fails. */
export function run(command: string, args: readonly string[], cwd = packageRoot, env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'inherit']
  })
}

export const read = (file: string) => readFileSync(join(packageRoot, file), 'utf8')
export const lines = (all: readonly string[]) => `${all.join('\n')}\n`

export function put(root: string, file: string, content: string | Buffer): void {
  mkdirSync(join(root, file, '..'), { recursive: true })
  writeFileSync(join(root, file), content)
}

/** Gives directories, and files that nobody executes, modes that do not depend on whose umask this is. */
export function settle(root: string): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) chmodSync(path, 0o755)
    else if (entry.isFile()) chmodSync(path, lstatSync(path).mode & 0o100 ? 0o755 : 0o644)
  }
  chmodSync(root, 0o755)
}

/** Returns the paths of all files in a directory, sorted. */
export function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}

/** The units, for a program that is somewhere else, by name. */
export function units(at: string): [string, string][] {
  const directory = 'packaging/systemd'
  return readdirSync(join(packageRoot, directory)).map(unit => [
    unit,
    read(`${directory}/${unit}`)
      .replaceAll('/usr/bin/node /opt/zeek-cluster-controller/dist/src/main.js', `${at}/bin/zeek-cluster`)
      .replace(/^Documentation=.*$/m, 'Documentation=man:zeek-cluster(1)')
  ])
}
