import type { PrometheusTarget } from '../../../schemas/api.js'
import type { ClusterConfiguration } from '../../../schemas/types.js'
import { AppError, messageOf } from '../../errors.js'
import type { Deployment } from '../../store/configurations.js'
import { hostPort, isLoopback } from '../../util.js'
import { metricsHostOf } from '../../zeek/layout.js'
import type { Fleet } from '../fleet.js'

/** Timeout for fetching the metrics of a node through its agent. */
const metricsMs = 5_000

/** How the client reaches the controller. */
export interface Reached {
  /** Host with the port, as in the header Host. */
  host: string
  isSecure: boolean
}

/** Returns the path at which the controller serves a node's metrics. */
const pathOf = (node: string) => `/v1/nodes/${node}/metrics`

/**
 * Returns where Prometheus finds the metrics of each node: at the node, or with `proxy` at the controller. If `proxy`
 * is not given, the controller serves those of nodes whose metrics are at loopback addresses, which no other host could
 * reach.
 */
export function targetsOf(
  deployment: Deployment | undefined,
  { host: controller, isSecure }: Reached,
  proxy?: boolean
): PrometheusTarget[] {
  const hosts = new Map(deployment?.layout.nodes.map(({ name, host }) => [name, host]))
  return (deployment?.configuration.nodes ?? []).flatMap(
    ({ name: node, instance, role, metrics_port: port }): PrometheusTarget[] => {
      const own = hosts.get(node)
      if (port === undefined || own === undefined) return []
      const host = metricsHostOf(deployment!.layout, own)
      const labels = { instance, node, role }
      return (proxy ?? isLoopback(host))
        ? [
            {
              targets: [controller],
              labels: { ...labels, __scheme__: isSecure ? 'https' : 'http', __metrics_path__: pathOf(node) }
            }
          ]
        : [{ targets: [hostPort(host, port)], labels }]
    }
  )
}

/**
 * Returns what a node's metrics endpoint serves, fetched through its agent, and its content type. Throws `not_found`
 * when there is no such node, and `unavailable` when agent or endpoint cannot be reached in 5 seconds.
 */
export async function nodeMetrics(
  fleet: Fleet,
  deployed: ClusterConfiguration | undefined,
  node: string
): Promise<{ text: string; type: string }> {
  const instance = deployed?.nodes.find(({ name }) => name === node)?.instance
  if (instance === undefined) throw new AppError('not_found', `there is no node ${node}`)
  try {
    const { text, content_type: type } = await fleet.ask(instance, 'get_metrics', { node }, { timeoutMs: metricsMs })
    // Any other type becomes plain text: a browser must not take it for a page of this server.
    return {
      text,
      type: /^(text\/plain|application\/openmetrics-text)(;[\x20-\x7e]*)?$/i.test(type)
        ? type
        : 'text/plain; charset=utf-8'
    }
  } catch (error) {
    throw new AppError(
      'unavailable',
      error instanceof AppError && error.code === 'timeout'
        ? `instance ${instance} has not answered within ${metricsMs / 1000} s`
        : messageOf(error),
      { cause: error }
    )
  }
}
