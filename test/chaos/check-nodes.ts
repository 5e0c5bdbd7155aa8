import type { World } from './world.js'

/**
 * A node is one process at a time, whatever happens to the controller; and at the end it is the one that the controller
 * shows.
 */
export function* nodeViolations({ lines }: World): Generator<string> {
  let running: Record<string, readonly number[]> = {}
  for (const line of lines) {
    if (line.kind === 'processes') {
      running = line.nodes
      for (const [node, pids] of Object.entries(running)) {
        if (pids.length > 1) yield `node ${node} ran ${pids.length} times at once: processes ${pids.join(', ')}`
      }
    }
    if (line.kind !== 'nodes') continue
    for (const { node, state, pid } of line.nodes) {
      const pids = running[node] ?? []
      if (state !== 'RUNNING') yield `node ${node} is ${state} when all is quiet`
      else if (pid === undefined || !pids.includes(pid)) {
        yield `node ${node} is shown as process ${pid}, and what runs is ${pids.join(', ') || 'none'}`
      }
    }
    for (const node of Object.keys(running)) {
      if (!line.nodes.some(shown => shown.node === node)) yield `node ${node} runs, and the controller does not show it`
    }
  }
}
