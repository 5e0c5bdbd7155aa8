import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Run } from './run.js'

const everyMs = 50

/**
 * Writes down which processes there are of each node: those whose working directory is the node's, and which lead a
 * group.
 * What a shell forks on its way to become a node does not; what only checks one (`zeek -a`) is none.
 */
export function watchNodes(run: Run, isNodes: (directory: string) => boolean): () => void {
  let before = ''
  const look = () => {
    const nodes: Record<string, number[]> = {}
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue
      const directory = workingDirectory(pid)
      // " (deleted)": of an earlier run, in a directory of the same name.
      if (
        directory !== undefined &&
        !directory.endsWith(' (deleted)') &&
        isNodes(dirname(directory)) &&
        leads(pid) &&
        !checks(pid)
      ) {
        ;(nodes[basename(directory)] ??= []).push(Number(pid))
      }
    }
    const now = JSON.stringify(nodes)
    if (now !== before) run.add({ kind: 'processes', nodes })
    before = now
  }
  const timer = setInterval(look, everyMs)
  return () => clearInterval(timer)
}

/** Undefined when it is gone, or not ours. */
function workingDirectory(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

function leads(pid: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2] === pid
  } catch {
    return false
  }
}

function checks(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('-a')
  } catch {
    return true
  }
}
