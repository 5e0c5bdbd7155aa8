import { nodesOfEach } from './cluster.js'
import { peakOf, startCluster, type Cost } from './connected.js'
import { median, type Bench } from './row.js'

const sizes = [10, 100, 1000] as const

const kinds = {
  'another layout': (round: number) => ({ managerPort: 3000 + round }),
  'another environment': (round: number) => ({ env: String(round) })
}
const figures = { ms: 'ms per agent', cpu: 'CPU us per agent', bytes: 'bytes per agent' } as const

/** Whether what a deployment takes grows with the cluster as its agents do, and not faster. */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 1 : 3
  const clusters: Awaited<ReturnType<typeof startCluster>>[] = []
  try {
    for (const size of quick ? sizes.slice(0, 2) : sizes) {
      say(`${size} agents connect`)
      clusters.push(await startCluster(size))
    }
    for (const [kind, variant] of Object.entries(kinds)) {
      const costs: Cost[][] = clusters.map(() => [])
      for (const { run } of clusters) await run('warm', variant(0))
      for (let round = 1; round <= rounds; round++) {
        say(`${kind}, round ${round}`)
        for (const [at, { run }] of clusters.entries()) {
          costs[at]!.push(await run(`${kind.replace(' ', '-')}-${round}`, variant(round)))
        }
      }
      const [base, ...others] = costs
      for (const [at, own] of others.entries()) {
        for (const [key, figure] of Object.entries(figures) as [keyof Cost, string][]) {
          const ours = own.map(cost => cost[key])
          const theirs = base!.map(cost => cost[key])
          yield {
            what: `deploy ${kind} to ${clusters[at + 1]!.size} x ${nodesOfEach}`,
            figure,
            ours: median(ours),
            baseline: `to ${clusters[0]!.size} agents`,
            theirs: median(theirs),
            ...(key === 'cpu' ? {} : { aim: { atMost: 1.5 } }),
            rounds: ours.map((cost, round) => cost / theirs[round]!)
          }
        }
      }
    }
    for (const { size, controller, empty, connected } of clusters) {
      yield {
        what: `${size} agents, ${size * nodesOfEach} nodes deployed`,
        figure: 'peak MB resident',
        ours: peakOf(controller) / 2 ** 20,
        baseline: 'when it was empty',
        theirs: empty / 2 ** 20,
        detail: { connected: connected / 2 ** 20 }
      }
    }
  } finally {
    for (const { stop } of clusters) await stop()
  }
}
