import type { Logger } from 'pino'
import { agentMethods } from '../../schemas/agent.js'
import type { NodeStep } from '../../schemas/operations.js'
import type { Outcome } from '../../schemas/types.js'
import { AppError } from '../errors.js'
import type { Handlers, Link } from '../link/link.js'
import { serve } from '../protocol/methods.js'
import { unpackLayout } from '../protocol/packed-layout.js'
import type { NodeChecks } from './check/check.js'
import type { Replays } from './check/replays.js'
import type { AgentSettings } from './config.js'
import { getIdValue } from './outputs/id-values.js'
import { askController } from './session.js'
import { diagnose } from './outputs/diagnosis.js'
import type { HostProbes } from './check/host-probes.js'
import type { LocalInstance } from './stats/instance.js'
import type { StatsHistory } from './stats/history.js'
import { bundlesOf, type Lacking, type NodeTable } from './nodes/node-table.js'
import { getNodeOutput } from './outputs/outputs.js'
import { withProgress } from './nodes/progress.js'
import type { Sampler } from './stats/sampler.js'
import { ownOf, takenPorts } from './check/taken-ports.js'
import type { Upgrades } from '../upgrades.js'
import { prepareUpgrade } from './upgrade.js'

/**
 * Timeout of a question for what a share lacks, in milliseconds. The agent asks it while it answers a question of the
 * controller, and it takes what it takes, however long the controller waits for its answer.
 */
const layoutMs = 60_000

/** Returns what gets from the controller what of a share is not on this host. */
const lackingFrom = (link: Link, signal: AbortSignal): Lacking => ({
  layout: async digest => {
    const { packed } = await askController(link, 'layout', { digest }, { timeoutMs: layoutMs })
    return await unpackLayout(packed, digest)
  },
  bundles: {
    files: async id => (await askController(link, 'bundle', { id }, { timeoutMs: layoutMs, signal })).files,
    chunk: async (id, offset) => {
      const { data } = await askController(link, 'bundle_chunk', { id, offset }, { timeoutMs: layoutMs, signal })
      return Buffer.from(data, 'base64')
    }
  }
})

/** Parts of the agent that do what a controller asks for. */
export interface Workers {
  settings: AgentSettings
  env: NodeJS.ProcessEnv
  table: NodeTable
  checks: NodeChecks
  replays: Replays
  sampler: Sampler
  history: StatsHistory
  instance: LocalInstance
  host: HostProbes
  upgrades: Upgrades | undefined
  /** Has this host's service end, and start anew; its nodes go on. */
  leave: () => Promise<void>
  log: Logger
}

/** Returns the agent's handlers for its controller's questions, by method. */
export function methodsOf({
  settings,
  env,
  table,
  checks,
  replays,
  sampler,
  history,
  instance,
  host,
  upgrades,
  leave,
  log
}: Workers): Handlers {
  let upgrading = false
  const telling = (
    nodes: readonly string[],
    { part }: { part: (steps: NodeStep[]) => void },
    job: Promise<Outcome[]>
  ) => withProgress(job, () => table.steps(nodes), part, settings.agent_progress_interval * 1000)
  return serve(agentMethods, {
    deploy: ({ share, ...how }, context) => {
      log.info(`deploying configuration ${share.config_id}: ${share.nodes.length} nodes`)
      const { link, signal } = context
      return telling(
        share.nodes.map(({ name }) => name),
        context,
        table.deploy(share, lackingFrom(link, signal), how, signal)
      )
    },
    plan: async ({ share, ...how }, { link, signal }) => await table.plan(share, lackingFrom(link, signal), how),
    check: async ({ share, nodes, processes }, { signal, link }) =>
      await table.content.holding(bundlesOf(share), async () =>
        checks.check(
          await table.resolveShare(share, lackingFrom(link, signal)),
          nodes,
          () => ownOf(table, processes),
          signal
        )
      ),
    replay: async ({ share, ...what }, { signal, link }) => {
      const resolved = async () => {
        const lacking = lackingFrom(link, signal)
        await table.content.ensure(what.bundle, lacking.bundles)
        return await table.resolveShare(share, lacking)
      }
      return await table.content.holding([what.bundle, ...bundlesOf(share)], () =>
        replays.replay(resolved, what, signal)
      )
    },
    upgrade: async ({ bundle }, { signal, link }) => {
      if (upgrading) throw new AppError('conflict', 'it is being upgraded')
      upgrading = true
      try {
        const { content } = table
        const { bundles: source } = lackingFrom(link, signal)
        if (await prepareUpgrade(bundle, { content, upgrades, source, signal })) {
          log.info(`ending, to start as the release of bundle ${bundle}`)
          await leave()
          return {}
        }
      } catch (error) {
        await upgrades?.forgetNext()
        upgrading = false
        throw error
      }
      upgrading = false
      return {}
    },
    get_taken_ports: async ({ host: address, processes }) => ({
      ports: await takenPorts(host, address, () => ownOf(table, processes))
    }),
    standby: async () => {
      log.info('on standby')
      await table.standby()
      return []
    },
    get_id_value: (params, { signal }) => getIdValue(table, params, signal),
    get_node_output: (params, context) => getNodeOutput(table, params, context),
    diagnose: ({ nodes }, { signal }) => diagnose(table, nodes, env, signal),
    set_options: ({ options, changed }, { signal }) => table.setOptions(options, changed, signal),
    set_feeds: ({ feeds, changed }, { link, signal }) =>
      table.setFeeds(feeds, changed, lackingFrom(link, signal).bundles, signal),
    start: ({ nodes }, context) => telling(nodes, context, table.start(nodes, context.signal)),
    stop: ({ nodes }, context) => telling([], context, table.stop(nodes, context.signal)),
    restart: ({ nodes }, context) => telling(nodes, context, table.restart(nodes, context.signal)),
    get_node_stats: async ({ nodes, watch, history: most }, { signal, part }) => {
      const outcomes = await sampler.stats(nodes, watch, signal, part)
      return most === undefined ? outcomes : history.addTo(outcomes, most, performance.now())
    },
    get_instance_stats: async (_params, { signal }) => [
      { success: true as const, instance: settings.agent_name, data: { instance_stats: await instance.stats(signal) } }
    ],
    cleanup: async ({ remove }, { signal }) => {
      const leftovers = await table.cleanUp(remove, signal)
      for (const { path, removed } of leftovers) if (removed) log.info(`removed ${path}`)
      return [{ success: true as const, instance: settings.agent_name, data: { leftovers } }]
    },
    get_metrics: ({ node }) => sampler.metrics(node)
  })
}
