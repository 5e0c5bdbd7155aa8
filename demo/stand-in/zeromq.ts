import { connect, type Socket } from 'node:net'
import { listen, parseEndpoint, uriHost } from './endpoint.js'
import type { Layout, LayoutNode } from './layout.js'
import { onLines } from './lines.js'
import type { Options } from './options.js'
import type { Peers } from './peers.js'
import { error, fatal } from './report.js'
import { HOME } from './scripts.js'
import { describeError, textOf } from './system-error.js'

const PREFIX = 'Cluster::Backend::ZeroMQ::'
const MAIN = `${HOME}/policy/frameworks/cluster/backend/zeromq/main.zeek`
const SPAWN = `${MAIN}, line 59`
const INIT = `${MAIN}, line 63`
const RETRY_MS = 100

/** What misc/zeromq-multi-host-auto-setup does: everything is where the manager is. */
export function setUpMultiHost({ nodes }: Layout, options: Options): void {
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

/** The ZeroMQ cluster backend, over plain TCP: it carries no messages, the proxy only tells everyone who is there. */
export async function startZeroMQ(peers: Peers, options: Options): Promise<void> {
  const endpoint = (name: string): string => options.get(`${PREFIX}${name}_endpoint`)
  if (options.get(`${PREFIX}run_proxy_thread`) === 'T') await runProxy(endpoint('listen_xpub'), endpoint('listen_xsub'))
  const node = peers.layout.nodes.get(peers.name)
  if (node !== undefined) await takeLogs(node, options)
  // Connecting and listening ends cross.
  keepLink(endpoint('connect_xpub'), 'XSUB', socket => {
    socket.write(`${peers.name}\n`)
  })
  let before: string[] = []
  keepLink(endpoint('connect_xsub'), 'XPUB', undefined, line => {
    const names = JSON.parse(line) as string[]
    for (const name of before) if (!names.includes(name)) peers.bye(name)
    for (const name of names) if (!before.includes(name)) peers.hello(name)
    before = names
  })
}

/** Who is connected with its XSUB socket says who it is; all are told to those who are connected with the other. */
async function runProxy(xpub: string, xsub: string): Promise<void> {
  const listeners = new Set<Socket>()
  const names = new Map<Socket, string>()
  const tell = (socket: Socket): void => {
    socket.write(`${JSON.stringify([...new Set(names.values())])}\n`)
  }
  await bind('XPUB', xpub, socket => {
    listeners.add(socket)
    socket.on('close', () => {
      listeners.delete(socket)
    })
    tell(socket)
  })
  await bind('XSUB', xsub, socket => {
    onLines(socket, name => {
      names.set(socket, name)
      listeners.forEach(tell)
    })
    socket.on('close', () => {
      names.delete(socket)
      listeners.forEach(tell)
    })
  })
}

/** One socket of the proxy. It tells which one it is, so that crossed ports are noticed. */
async function bind(kind: 'XPUB' | 'XSUB', endpoint: string, greet: (socket: Socket) => void): Promise<void> {
  const address = parseEndpoint(endpoint)
  try {
    if (address === undefined) throw Object.assign(new Error('invalid argument'), { errno: -22 })
    await listen(address.host, address.port, socket => {
      socket.write(`${kind}\n`)
      greet(socket)
    })
  } catch (cause) {
    error(`ZeroMQ: Failed to bind ${kind.toLowerCase()} socket ${endpoint}: ${describeError(cause)}`, SPAWN)
    fatal('Failed to spawn ZeroMQ proxy thread', SPAWN)
  }
}

/** Keeps one connection to the proxy for ever. `peer` is what must be at its other end. */
function keepLink(
  endpoint: string,
  peer: 'XPUB' | 'XSUB',
  greet?: (socket: Socket) => void,
  take?: (line: string) => void
): void {
  const address = parseEndpoint(endpoint)
  if (address === undefined) fatal(`ZeroMQ: Failed to connect to ${endpoint}: Invalid argument`)
  const socket = connect(address)
  let isGreeted = false
  onLines(socket, line => {
    if (isGreeted) return take?.(line)
    // With real ZeroMQ: two sockets of the same kind do not shake hands.
    if (line !== peer) fatal(`ZeroMQ: handshake failed: ${endpoint} is not the proxy's ${peer} socket`)
    isGreeted = true
    greet?.(socket)
  })
  socket.on('error', () => {})
  // Who is gone is not known until the proxy tells so: the proxy may be what is gone.
  socket.on('close', () => {
    setTimeout(keepLink, RETRY_MS, endpoint, peer, greet, take)
  })
}

async function takeLogs({ type, ip, port }: LayoutNode, options: Options): Promise<void> {
  const logger = type === 'LOGGER' || (type === 'MANAGER' && options.get('Cluster::manager_is_logger') === 'T')
  if (!logger || !port) return
  try {
    await listen(ip, port, () => {})
  } catch (cause) {
    error(`ZeroMQ: Failed to bind pull socket tcp://${uriHost(ip)}:${port}: ${textOf(cause)}`, INIT)
    fatal('Failed initialize ZeroMQ backend', INIT)
  }
}
