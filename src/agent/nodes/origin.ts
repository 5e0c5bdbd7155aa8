import { basename, resolve } from 'node:path'
import type { AssignedNode } from '../../../schemas/agent.js'
import type { HealthReport } from '../../../schemas/operations.js'
import type { Program, UnitStatus } from '../../supervisor/program.js'
import { loadsOf, type BundleUse } from '../../bundles/use.js'
import { loadedScripts } from '../../zeek/channel.js'
import { defaultsScript, nodeScript } from '../../zeek/command.js'
import { findZeek, stampOf } from '../../zeek/executable.js'
import { ScriptFiles } from '../../zeek/scripts.js'
import type { AgentContext } from '../config.js'
import type { ManagedNode } from './managed-node.js'
import { channelOf } from './zeek-program.js'

/**
 * What a program was made from when its agent started it last. It is kept apart from what the program was asked to be
 * (its tag): an edited file is no reason to restart a node, unless someone deploys.
 */
export interface Origin {
  zeek: { path: string; version: string; stamp: string }
  /** Digests of its scripts, by path. */
  scripts: Record<string, string>
  /** Digests of what its scripts may read of the bundle, beside other scripts, by directory. */
  data?: Readonly<Record<string, string>>
}

/** Which nodes to restart although they match their share: all of them, or those whose files have changed. */
export interface How {
  force?: boolean
  refresh?: boolean | undefined
}

/** Most files that are reported for one node. */
const filesMax = 10

/** Determines what programs are made from, and what of it has changed. */
export class Origins {
  #context: AgentContext
  #bundle: () => BundleUse | undefined
  #place: string | undefined
  #files = new ScriptFiles()

  /**
   * `bundle` returns what nodes use; `place` is the directory where its files are read, if it is not that in which
   * nodes find them.
   */
  constructor(context: AgentContext, bundle: () => BundleUse | undefined = () => undefined, place?: string) {
    this.#bundle = bundle
    this.#context = context
    this.#place = place
  }

  /**
   * Returns what the program of a node would be made from now; undefined when there is no zeek. `without`: scripts that
   * it does not load, by path.
   */
  async of(
    node: AssignedNode,
    { cwd, env }: Pick<Program, 'cwd' | 'env'>,
    without: ReadonlySet<string> = new Set()
  ): Promise<Origin | undefined> {
    const zeek = await findZeek(this.#context.settings.bin, this.#context.env).catch(() => undefined)
    const stamp = zeek && (await stampOf(zeek.path))
    if (!zeek || stamp === undefined) return undefined
    const bundle = this.#bundle()
    const found = await this.#files.find(
      [defaultsScript, ...loadsOf(node, bundle), nodeScript],
      { cwd, zeekPath: moved(env.ZEEKPATH ?? '', bundle?.directory, this.#place) },
      new Set([...without].map(path => moved(path, bundle?.directory, this.#place)))
    )
    const named = (path: string) => moved(path, this.#place, bundle?.directory)
    return {
      zeek: { path: zeek.path, version: zeek.version, stamp },
      scripts: Object.fromEntries([...found].map(([path, { digest }]) => [named(path), digest])),
      ...(bundle && { data: bundle.data })
    }
  }

  /**
   * Returns by name why running nodes differ from what they are meant to be; nodes that do not differ are left out.
   * With `refresh`, changed files count, too. `formerTag` returns the tag that an earlier version would give a node.
   */
  async whyRestart(
    nodes: Iterable<ManagedNode>,
    units: ReadonlyMap<string, UnitStatus>,
    { refresh, formerTag }: { refresh: boolean; formerTag: (node: AssignedNode) => string }
  ): Promise<Map<string, string>> {
    const reasons = new Map<string, string>()
    for (const { node, program } of nodes) {
      const unit = units.get(node.name)
      if (unit?.state !== 'RUNNING') continue
      const changes = [
        ...(unit.tag === program.tag || unit.tag === formerTag(node) ? [] : ['configuration changed']),
        ...(refresh ? await this.#changed(node, program, unit) : [])
      ]
      if (changes.length > 0) reasons.set(node.name, changes.join('; '))
    }
    return reasons
  }

  /** Returns in words which files of a process have changed since it was started. */
  async #changed(node: AssignedNode, program: Program, { origin, invocation }: UnitStatus): Promise<string[]> {
    const before = origin as Origin | undefined
    const without = await passedOver(before, program.cwd, invocation)
    return differences(before, await this.of(node, program, without), without)
  }

  /**
   * Returns the nodes whose process was made from files that have changed since. New files that take the place of
   * others are noticed when they are deployed.
   */
  async drift(nodes: Iterable<ManagedNode>): Promise<HealthReport['drift']> {
    /** Files that were read in this call, by path: most nodes are made from the same. */
    const now = new Map<string, Promise<string | undefined>>()
    const look = (path: string, read: (path: string) => Promise<string | undefined>) => {
      if (!now.has(path)) now.set(path, read(path))
      return now.get(path)!
    }
    return (
      await Promise.all(
        [...nodes].map(async ({ status: { node, pid }, program, invocation, origin }) => {
          if (pid === undefined || origin === undefined) return []
          const { zeek, scripts } = origin
          const files = await Promise.all([
            look(zeek.path, stampOf).then(stamp => (stamp === zeek.stamp ? [] : zeek.path)),
            ...Object.entries(scripts).map(async ([path, digest]) =>
              (await look(path, async at => (await this.#files.read(at))?.digest)) === digest ? [] : path
            )
          ])
          const changed = files.flat()
          if (changed.length === 0) return []
          // This is asked for every few seconds: what a process has loaded is read only where something has changed.
          const without = await passedOver(origin, program.cwd, invocation)
          const loaded = changed.filter(path => !without.has(path))
          return loaded.length === 0 ? [] : [{ node, pid, files: loaded.slice(0, filesMax) }]
        })
      )
    ).flat()
  }
}

/**
 * Returns which of the scripts that a process could load it has not loaded, as it tells itself: an `@if` may have
 * decided so. None where it does not tell.
 */
async function passedOver(
  origin: Origin | undefined,
  cwd: string,
  invocation: string | undefined
): Promise<ReadonlySet<string>> {
  const told = invocation === undefined ? undefined : await loadedScripts(channelOf(cwd), invocation)
  const loaded = new Set(told?.map(path => resolve(cwd, path)))
  const paths = Object.keys(origin?.scripts ?? {})
  // Each process loads our script: a list without it has other names than ours.
  const isUsable = paths.some(path => basename(path) === nodeScript && loaded.has(path))
  return new Set(isUsable ? paths.filter(path => !loaded.has(path)) : [])
}

/** Returns paths with one directory in the place of another one. */
const moved = (paths: string, from: string | undefined, to: string | undefined) =>
  from === undefined || to === undefined ? paths : paths.replaceAll(from, to)

/**
 * Returns in words what is different, but for some scripts, by path; nothing when one of the two is not known.
 */
export function differences(
  before: Origin | undefined,
  now: Origin | undefined,
  without: ReadonlySet<string> = new Set()
): string[] {
  if (!before || !now) return []
  const paths = differing(before.scripts, now.scripts).filter(path => !without.has(path))
  const data = differing(before.data ?? {}, now.data ?? {})
  const isSameZeek = before.zeek.path === now.zeek.path && before.zeek.stamp === now.zeek.stamp
  const versions =
    before.zeek.version === now.zeek.version
      ? `another ${now.zeek.version}`
      : `${before.zeek.version} -> ${now.zeek.version}`
  return [
    ...(isSameZeek ? [] : [`zeek changed: ${versions}`]),
    ...(paths.length === 0 ? [] : [`scripts changed: ${listed(paths.map(shortName))}`]),
    ...(data.length === 0 ? [] : [`files changed: ${listed(data)}`])
  ]
}

/** Returns the names that have another value in one of the two. */
const differing = (before: Readonly<Record<string, string>>, now: Readonly<Record<string, string>>): string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(name => before[name] !== now[name])

const listed = (names: readonly string[]) =>
  names.slice(0, filesMax).join(', ') + (names.length > filesMax ? ', …' : '')

/** Returns the file name of a script; a __load__.zeek is named with its directory, as its name says little. */
const shortName = (path: string) =>
  path
    .split('/')
    .slice(path.endsWith('/__load__.zeek') ? -2 : -1)
    .join('/')
