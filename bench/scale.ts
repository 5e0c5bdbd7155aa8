import { post, eventsOf, nodesOfEach } from './cluster.js'
import { peakOf, startCluster, type Cost } from './connected.js'
import { timed } from './schedule.js'
import type { Bench } from './row.js'

/** The largest has a hundred thousand nodes. */
const sizes = [1_000, 3_000, 10_000] as const

interface Measured {
  size: number
  figures: Record<string, number>
}

const rounded = (value: number) => Number(value.toPrecision(3))

/**
 * Where a controller comes to its end: what it takes to have so many agents, to deploy to them, and to tell what all of
 * their nodes do. One cluster after the other, so that each has the machine for itself; as often as the first one.
 */
export const bench: Bench = async function* ({ quick, say }) {
  const measured: Measured[] = []
  for (const size of quick ? [20, 60] : sizes) {
    say(`${size} agents connect`)
    const cluster = await startCluster(size)
    try {
      const { controller, empty, connected, connectMs, connectCpu, run } = cluster
      say('a first deployment')
      await run('first', { managerPort: 3_000 })
      say('another layout')
      const layout = await run('another-layout', { managerPort: 3_001 })
      say('another environment')
      const env = await run('another-environment', { managerPort: 3_001, env: 'b' })
      say('rest')
      const rest = await cluster.rest(quick ? 500 : 20_000)
      say('questions')
      let bytes = 0
      const asked = await timed(async () => {
        const { reqid } = await post(controller, 'get_nodes', {})
        bytes = JSON.stringify(await eventsOf(controller, reqid)).length
      })
      const value = await timed(async () => {
        const { reqid } = await post(controller, 'get_id_value', { id: 'x' })
        await eventsOf(controller, reqid)
      })
      const each = (of: string, cost: Cost) => ({
        [`ms per agent, ${of}`]: cost.ms,
        [`CPU us per agent, ${of}`]: cost.cpu,
        [`bytes per agent, ${of}`]: cost.bytes
      })
      measured.push({
        size,
        figures: {
          'ms per agent to connect': connectMs / size,
          'CPU us per agent to connect': connectCpu / size,
          ...each('another layout', layout),
          ...each('another environment', env),
          'CPU us per agent and second, at rest': rest,
          'ms per agent, get_nodes': asked / size,
          'bytes per agent, get_nodes': bytes / size,
          'ms per agent, get_id_value': value / size,
          'KB per agent connected': (connected - empty) / 1024 / size,
          'peak KB per agent': (peakOf(controller) - empty) / 1024 / size
        }
      })
    } finally {
      await cluster.stop()
    }
  }
  const [first, ...others] = measured
  for (const { size, figures } of others) {
    for (const [figure, ours] of Object.entries(figures)) {
      const theirs = first!.figures[figure]!
      yield { what: `${size} agents x ${nodesOfEach}`, figure, ours, baseline: `${first!.size} agents`, theirs }
    }
  }
  // Fitted as a power of the number: 1 is what grows as the agents do.
  const last = measured.at(-1)!
  for (const [figure, value] of Object.entries(last.figures)) {
    const power = 1 + Math.log(value / first!.figures[figure]!) / Math.log(last.size / first!.size)
    say(`${figure.replace(' per agent', '')} of all grows with the number to the power of ${rounded(power)}`)
  }
}
