import type { Layout } from './layout.js'
import type { RuntimeOptions } from './config-reader.js'
import type { Intel } from './intel.js'
import type { Options } from './options.js'

/** What a node answers when it is asked for an identifier's value. */
export interface Answer {
  success: boolean
  value: string
}

export class Identifiers {
  readonly #fixed: Map<string, unknown>
  readonly #options: Options
  readonly #runtime: RuntimeOptions
  readonly #intel: Intel

  constructor(
    node: string,
    backend: string | undefined,
    layout: Layout,
    { options, runtime, intel }: { options: Options; runtime: RuntimeOptions; intel: Intel }
  ) {
    this.#options = options
    this.#runtime = runtime
    this.#intel = intel
    this.#fixed = new Map<string, unknown>([
      ['Cluster::node', node],
      [
        'Cluster::nodes',
        Object.fromEntries(
          [...layout.nodes].map(([name, one]) => [
            name,
            {
              node_type: `Cluster::${one.type}`,
              ip: one.ip,
              zone_id: '',
              p: port(one.port),
              ...(one.manager === undefined ? {} : { manager: one.manager }),
              ...(one.metricsPort === undefined ? {} : { metrics_port: port(one.metricsPort) })
            }
          ])
        )
      ],
      ['Cluster::backend', `Cluster::CLUSTER_BACKEND_${(backend ?? 'none').toUpperCase()}`],
      ['peer_description', node === '' ? 'zeek' : node]
    ])
  }

  lookup(id: string): Answer {
    if (id === 'Demo::no_value') return { success: false, value: 'no ID value' }
    const value = this.#fixed.has(id)
      ? this.#fixed.get(id)
      : (this.#intel.json(id) ?? this.#runtime.json(id) ?? this.#options.json(id))
    if (value === undefined) return { success: false, value: 'unknown id' }
    return { success: true, value: JSON.stringify(value) }
  }
}

function port(number: number | undefined): { port: number; proto: string } {
  return number ? { port: number, proto: 'tcp' } : { port: 0, proto: 'unknown' }
}
