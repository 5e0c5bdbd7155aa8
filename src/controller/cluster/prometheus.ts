import type { PrometheusTarget } from '../../../schemas/api.js'
import type { Configuration } from '../../../schemas/types.js'
import { AppError, messageOf } from '../../errors.js'
import type { Deployment } from '../../store/configurations.js'
import { hostPort, isLoopback } from '../../util.js'
import type { Fleet } from '../fleet.js'

/** How long the metrics of a node may take on their way through its agent. */
const metricsMs = 5_000

/** The controller, as whoever asks reaches it. */
export interface Reached {
  /** With the port, as in the header Host. */
  host: string
  isSecure: boolean
}

/** The path at which the controller serves a node's metrics. */
const pathOf = (node: string) => `/v1/nodes/${node}/metrics`

/**
 * Where Prometheus finds the metrics of each node: at the node, or with `proxy` at the controller. Not said, the
 * controller
 * serves those of nodes at loopback addresses, which nobody else could reach.
 */
export function targetsOf(
  deployment: Deployment | undefined,
  { host: controller, isSecure }: Reached,
  proxy?: boolean
): PrometheusTarget[] {
  const hosts = new Map(deployment?.layout.nodes.map(({ name, host }) => [name, host]))
  return (deployment?.configuration.nodes ?? []).flatMap(
    ({ name: node, instance, role, metrics_port: port }): PrometheusTarget[] => {
      const host = hosts.get(node)
      if (port === undefined || host === undefined) return []
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
 * What a node's metrics endpoint serves, through its agent, and as what. Throws `not_found` when there is no such node,
 * and
 * `unavailable` when agent or endpoint cannot be reached in 5 seconds.
 */
export async function nodeMetrics(
  fleet: Fleet,
  deployed: Configuration | undefined,
  node: string
): Promise<{ text: string; type: string }> {
  const instance = deployed?.nodes.find(({ name }) => name === node)?.instance
  if (instance === undefined) throw new AppError('not_found', `there is no node ${node}`)
  try {
    const { text, content_type: type } = await fleet.ask(instance, 'get_metrics', { node }, { timeoutMs: metricsMs })
    // Whatever it is: a browser must not take it for a page of ours.
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
