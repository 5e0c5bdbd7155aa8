import type { Socket } from 'node:net'
import { describeError, listen, parseEndpoint, uriHost } from './endpoint.js'
import type { Layout, LayoutNode } from './layout.js'
import { keepLink } from './link.js'
import type { Membership } from './membership.js'
import type { Options } from './options.js'
import { error, fatal } from './report.js'
import { HOME } from './scripts.js'

const PREFIX = 'Cluster::Backend::ZeroMQ::'
const MAIN = `${HOME}/policy/frameworks/cluster/backend/zeromq/main.zeek`
const SPAWN = `${MAIN}, line 59`
const INIT = `${MAIN}, line 63`

/** What misc/zeromq-multi-host-auto-setup does: everything is where the manager is. */
export function setUpMultiHost ({ nodes }: Layout, options: Options): void {
  const manager = nodes.get('manager')
  if (manager === undefined) return
  const port = (name: string, otherwise: string): string =>
    process.env[`ZEEK_CLUSTER_BACKEND_ZEROMQ_${name}_PORT`]?.split('/')[0] || otherwise
  const xpub = `tcp://${uriHost(manager.ip)}:${port('XPUB', '5555')}`
  const xsub = `tcp://${uriHost(manager.ip)}:${port('XSUB', '5556')}`
  options.set(`${PREFIX}listen_xpub_endpoint`, xpub)
  options.set(`${PREFIX}listen_xsub_endpoint`, xsub)
  options.set(`${PREFIX}connect_xpub_endpoint`, xsub)
  options.set(`${PREFIX}connect_xsub_endpoint`, xpub)
}

/** The ZeroMQ cluster backend, over plain TCP: it carries no messages, it only shows who is there. */
export async function startZeroMQ (
  node: LayoutNode | undefined, options: Options, membership: Membership
): Promise<void> {
  const endpoint = (name: string): string => options.get(`${PREFIX}${name}_endpoint`)
  if (options.get(`${PREFIX}run_proxy_thread`) === 'T') {
    await bind('XPUB', endpoint('listen_xpub'))
    await bind('XSUB', endpoint('listen_xsub'))
  }
  if (node !== undefined) await takeLogs(node, options)
  keepLink(endpoint('connect_xpub'), 'XSUB', membership)
  keepLink(endpoint('connect_xsub'), 'XPUB', membership)
}

/** One socket of the proxy. It tells which one it is, so that crossed ports are noticed. */
async function bind (kind: 'XPUB' | 'XSUB', endpoint: string): Promise<void> {
  const address = parseEndpoint(endpoint)
  try {
    if (address === undefined) throw Object.assign(new Error('invalid argument'), { errno: -22 })
    await listen(address.host, address.port, (socket: Socket) => { socket.write(`${kind}\n`) })
  } catch (cause) {
    error(`ZeroMQ: Failed to bind ${kind.toLowerCase()} socket ${endpoint}: ${describeError(cause)}`, SPAWN)
    fatal('Failed to spawn ZeroMQ proxy thread', SPAWN)
  }
}

async function takeLogs ({ type, ip, port }: LayoutNode, options: Options): Promise<void> {
  const logger = type === 'LOGGER' || (type === 'MANAGER' && options.get('Cluster::manager_is_logger') === 'T')
  if (!logger || !port) return
  try {
    await listen(ip, port, () => {})
  } catch (cause) {
    const reason = describeError(cause).replace(/ \(\d+\)$/, '')
    error(`ZeroMQ: Failed to bind pull socket tcp://${uriHost(ip)}:${port}: ${reason}`, INIT)
    fatal('Failed initialize ZeroMQ backend', INIT)
  }
}
