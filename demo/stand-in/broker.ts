import { connect, type Socket } from 'node:net'
import { listen } from './endpoint.js'
import type { LayoutNode } from './layout.js'
import { onLines } from './lines.js'
import type { Options } from './options.js'
import type { Peers } from './peers.js'

const RETRY_MS = 100
/** A node connects to those of the types before its own. */
const ORDER: readonly LayoutNode['type'][] = ['MANAGER', 'LOGGER', 'PROXY', 'WORKER']

/** The Broker cluster backend, over plain TCP: it carries no messages, both ends only say who they are. */
export function startBroker(peers: Peers, options: Options): void {
  const node = peers.layout.nodes.get(peers.name)
  if (node === undefined) return
  if (node.port !== undefined) void serve(node.port, peers, options)
  for (const { type, ip, port } of peers.layout.nodes.values()) {
    if (port !== undefined && ORDER.indexOf(type) < ORDER.indexOf(node.type)) keepPeering(ip, port, peers)
  }
}

/** A taken port is tried again. */
async function serve(port: number, peers: Peers, options: Options): Promise<void> {
  try {
    await listen(options.get('Broker::default_listen_address') || undefined, port, socket => {
      peer(socket, peers)
    })
  } catch {
    setTimeout(serve, RETRY_MS, port, peers, options)
  }
}

function keepPeering(host: string, port: number, peers: Peers): void {
  const socket = connect(port, host)
  peer(socket, peers)
  socket.on('error', () => {})
  socket.on('close', () => {
    setTimeout(keepPeering, RETRY_MS, host, port, peers)
  })
}

function peer(socket: Socket, peers: Peers): void {
  let other: string | undefined
  socket.write(`${peers.name}\n`)
  onLines(socket, name => {
    other = name
    peers.hello(name)
  })
  socket.on('close', () => {
    if (other !== undefined) peers.bye(other)
  })
}
