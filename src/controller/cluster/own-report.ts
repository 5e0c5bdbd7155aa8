import { cut } from '../../../schemas/cut.js'
import type { HealthReport } from '../../../schemas/operations.js'

/** Longest name of a file, most groups of workers, and most unseen nodes of all nodes, that count in a report. */
const fileLength = 512
const groupsMax = 100
const unseenMax = 10_000

/**
 * Returns what counts of an instance's health report: each of its own nodes once, whatever else is in it. `isOwn`:
 * whether the instance has a node; `isDeployed`: whether any has.
 */
export function ownReport(
  report: HealthReport,
  isOwn: (node: string) => boolean,
  isDeployed: (node: string) => boolean
): HealthReport {
  const { nodes, drift, fan_out: groups, ...host } = report
  let left = unseenMax
  const deployedOf = (unseen: readonly string[]) => {
    const names = [...new Set(unseen)].filter(isDeployed).slice(0, left)
    left -= names.length
    return names
  }
  return {
    ...host,
    nodes: firstOfEach(nodes, isOwn).map(({ unseen, ...node }) => ({
      ...node,
      ...(unseen ? { unseen: deployedOf(unseen) } : {})
    })),
    ...(drift
      ? {
          drift: firstOfEach(drift, isOwn).map(({ files, ...node }) => ({
            ...node,
            files: files.map(file => cut(file, fileLength))
          }))
        }
      : {}),
    ...(groups
      ? {
          fan_out: groups
            .slice(0, groupsMax)
            .map(({ nodes, ...group }) => ({ ...group, nodes: [...new Set(nodes)].filter(isOwn) }))
            .filter(({ heaviest }) => !heaviest || isOwn(heaviest.node))
        }
      : {})
  }
}

function firstOfEach<T extends { node: string }>(items: readonly T[], isOwn: (node: string) => boolean): T[] {
  const seen = new Set<string>()
  return items.filter(({ node }) => !seen.has(node) && seen.add(node) && isOwn(node))
}
