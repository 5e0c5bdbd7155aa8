import type { Group } from '../schemas/groups.js'
import type { Topology } from '../schemas/topology.js'
import { expandGroups, type Grouped } from '../src/groups/expansion.js'
import { instanceOf } from './cluster.js'
import { median, type Bench } from './row.js'

/** How long groups of workers take to become nodes, beside reading the same nodes where they are written out. */
export const bench: Bench = async function* ({ quick, say }) {
  const [instances, workers] = quick ? [20, 20] : [200, 20]
  const topology = hostWith(workers + 4)
  say(`${instances} instances with ${workers} workers each`)
  for (const [what, groups] of Object.entries(groupsOf(instances, workers))) {
    const grouped: Grouped = {
      groups,
      instances: Array.from({ length: instances }, (_, index) => ({
        name: instanceOf(index),
        labels: { tap: 'uplink' }
      })),
      nodes: [{ name: 'manager', instance: instanceOf(0), role: 'MANAGER' }]
    }
    const { nodes, errors } = expandGroups(grouped, () => topology)
    if (errors.length > 0) throw new Error(errors.join('; '))
    if (new Set(nodes.map(({ name }) => name)).size !== instances * workers) throw new Error('there are other nodes')
    const written = JSON.stringify(nodes)
    const [ours, theirs]: [number[], number[]] = [[], []]
    for (let round = 0; round < 20; round++) {
      ours.push(timed(() => expandGroups(grouped, () => topology)))
      theirs.push(timed(() => JSON.parse(written)))
    }
    yield {
      what: `${nodes.length} workers, ${what}`,
      figure: 'ms',
      ours: median(ours),
      baseline: 'JSON.parse of the nodes',
      theirs: median(theirs),
      aim: { atMost: 10 },
      detail: { worst: Math.max(...ours) }
    }
  }
}

/** The same number of workers of one group, and of several. */
function groupsOf(instances: number, workers: number): Record<string, Group[]> {
  const common = { labels: { tap: 'uplink' }, cpus: 'auto' }
  return {
    'in one group': [{ name: 'uplink', interface: 'af_packet::eth0', ...common, workers }],
    'in four groups': Array.from({ length: 4 }, (_, n) => ({
      name: `tap-${n}`,
      interface: `af_packet::eth${n}`,
      ...common,
      workers: workers / 4
    })),
    'on named instances': [
      {
        name: 'named',
        interface: 'af_packet::eth0',
        instances: Array.from({ length: instances }, (_, index) => instanceOf(index)),
        workers
      }
    ]
  }
}

/** A host with two sockets, and two threads on each of so many cores. */
function hostWith(cores: number): Topology {
  return {
    cpus: Array.from({ length: 2 * cores }, (_, id) => {
      const socket = Number(id % cores >= cores / 2)
      return { id, core: id % cores, socket, numa: socket }
    }),
    interfaces: [0, 1, 2, 3].map(n => ({ name: `eth${n}`, numa: n % 2, queues: 8 }))
  }
}

function timed(job: () => void): number {
  const begun = performance.now()
  job()
  return performance.now() - begun
}
