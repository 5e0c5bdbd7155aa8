import { createServer } from 'node:http'
import { once } from 'node:events'
import { uriHost } from './endpoint.js'
import { countPackets } from './interface.js'
import type { Layout, LayoutNode } from './layout.js'
import type { Options } from './options.js'
import { fatal } from './report.js'
import { HOME } from './scripts.js'
import { VERSION } from './usage.js'

const WHERE = `${HOME}/base/frameworks/telemetry/main.zeek, line 476`

/** Serves Prometheus, if the layout says so. */
export async function serveMetrics(
  name: string,
  node: LayoutNode,
  layout: Layout,
  options: Options,
  reads: boolean
): Promise<void> {
  const set = options.port('Telemetry::metrics_port')
  const port = set === 0 && layout.redefs.has('Telemetry::metrics_port') ? node.metricsPort : set
  if (!port) return
  // An address which is an expression can only be made of the node's own.
  const computed = layout.redefs.has('Telemetry::metrics_address') ? node.ip : '0.0.0.0'
  const address = (options.get('Telemetry::metrics_address') || computed).replace(/^\[(.*)\]$/, '$1')

  const server = createServer((request, response) => {
    if (request.url === '/metrics') {
      response.setHeader('content-type', 'text/plain; charset=utf-8').end(metrics(name, reads))
    } else if (request.url === '/services.json' && node.type === 'MANAGER') {
      response.setHeader('content-type', 'application/json').end(services(layout))
    } else {
      response.writeHead(404).end()
    }
  })
  server.listen(port, address)
  try {
    await once(server, 'listening')
  } catch {
    // CivetServer's own words, full stop included.
    const reason = 'null context when constructing CivetServer. Possible problem binding to port.'
    fatal(`Failed to setup Prometheus endpoint: ${reason}. Attempted to bind to ${uriHost(address)}:${port}.`, WHERE)
  }
}

/** For Prometheus' HTTP service discovery: where all nodes' metrics are. */
function services({ nodes }: Layout): string {
  const targets = [...nodes.values()]
    .filter(({ metricsPort }) => metricsPort)
    .map(({ ip, metricsPort }) => `${uriHost(ip)}:${metricsPort}`)
  return JSON.stringify([{ targets, labels: {} }])
}

type Family = [name: string, type: string, help: string, value: number, labels?: string]

function metrics(node: string, reads: boolean): string {
  const { received, dropped } = reads ? countPackets() : { received: 0, dropped: 0 }
  const [major, minor, patch] = VERSION.split('.')
  const version =
    `beta="false",commit="0",debug="false",major="${major}",minor="${minor}",patch="${patch}",` +
    `version_number="90000",version_string="${VERSION}"`
  const { user, system } = process.cpuUsage()
  const families: Family[] = [
    ['zeek_version_info', 'gauge', 'The Zeek version', 1, version],
    ['zeek_net_received_packets_total', 'counter', 'Total number of packets received', received],
    ...(reads ? ofLiveTraffic(received, dropped) : []),
    ['process_cpu_user_seconds_total', 'counter', 'Total user CPU time spent', user / 1e6],
    ['process_cpu_system_seconds_total', 'counter', 'Total system CPU time spent', system / 1e6],
    ['process_resident_memory_bytes', 'gauge', 'Resident memory size', process.memoryUsage.rss()]
  ]
  return families
    .map(
      ([name, type, help, value, labels]) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n` +
        `${name}{${labels === undefined ? '' : `${labels},`}node="${node}"} ${value}\n`
    )
    .join('')
}

/** What only nodes have that read an interface. */
function ofLiveTraffic(received: number, dropped: number): Family[] {
  const link = 'Total number of packets on the packet source link before filtering'
  return [
    ['zeek_net_dropped_packets_total', 'counter', 'Total number of packets dropped', dropped],
    ['zeek_net_link_packets_total', 'counter', link, received + dropped],
    ['zeek_net_packet_lag_seconds', 'gauge', 'Difference of network time and wallclock time in seconds.', 0.001],
    ['zeek_active_sessions', 'gauge', 'Active Zeek Sessions', 3, 'protocol="tcp"']
  ]
}
