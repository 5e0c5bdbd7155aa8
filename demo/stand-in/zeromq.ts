import { connect, type Socket } from 'node:net'
import { readCurve, respond, type CurveClient, type CurveServer } from './curve.js'
import { listen, parseEndpoint, uriHost } from './endpoint.js'
import type { Layout, LayoutNode } from './layout.js'
import { onLines } from './lines.js'
import type { Options } from './options.js'
import type { Peers } from './peers.js'
import { error, fatal, warning } from './report.js'
import { HOME } from './scripts.js'
import { describeError, textOf } from './system-error.js'

const PREFIX = 'Cluster::Backend::ZeroMQ::'
const MAIN = `${HOME}/policy/frameworks/cluster/backend/zeromq/main.zeek`
const SPAWN = `${MAIN}, line 59`
const INIT = `${MAIN}, line 63`
/** The lines that tell of handshakes that have failed. */
const BROKEN = `${MAIN}, line 217`
const REFUSED = `${MAIN}, line 220`
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
  const { server, client } = readCurve(options)
  if (options.get(`${PREFIX}run_proxy_thread`) === 'T') {
    await runProxy(endpoint('listen_xpub'), endpoint('listen_xsub'), server)
  }
  const node = peers.layout.nodes.get(peers.name)
  if (node !== undefined) await takeLogs(node, options)
  // Connecting and listening ends cross.
  keepLink(endpoint('connect_xpub'), 'XSUB', client, {
    greet: socket => socket.write(`${peers.name}\n`)
  })
  let before: string[] = []
  keepLink(endpoint('connect_xsub'), 'XPUB', client, {
    take: line => {
      const names = JSON.parse(line) as string[]
      for (const name of before) if (!names.includes(name)) peers.bye(name)
      for (const name of names) if (!before.includes(name)) peers.hello(name)
      before = names
    }
  })
}

/** Who is connected with its XSUB socket says who it is; all are told to those who are connected with the other. */
async function runProxy(xpub: string, xsub: string, curve: CurveServer | undefined): Promise<void> {
  const listeners = new Set<Socket>()
  const names = new Map<Socket, string>()
  const tell = (socket: Socket): void => {
    socket.write(`${JSON.stringify([...new Set(names.values())])}\n`)
  }
  await bind('XPUB', xpub, curve, {
    greet: socket => {
      listeners.add(socket)
      socket.on('close', () => {
        listeners.delete(socket)
      })
      tell(socket)
    }
  })
  await bind('XSUB', xsub, curve, {
    greet: socket => {
      socket.on('close', () => {
        names.delete(socket)
        listeners.forEach(tell)
      })
    },
    take: (name, socket) => {
      names.set(socket, name)
      listeners.forEach(tell)
    }
  })
}

/** What one end of a connection does once the two have shaken hands, and with each line after that. */
interface End {
  greet?: (socket: Socket) => void
  take?: (line: string, socket: Socket) => void
}

/**
 * One socket of the proxy. It tells which one it is, so that crossed ports are noticed, and whether it wants keys: then
 * with a challenge, which who connects must answer before anything else is said.
 */
async function bind(
  kind: 'XPUB' | 'XSUB',
  endpoint: string,
  curve: CurveServer | undefined,
  { greet, take }: End
): Promise<void> {
  const address = parseEndpoint(endpoint)
  try {
    if (address === undefined) throw Object.assign(new Error('invalid argument'), { errno: -22 })
    await listen(address.host, address.port, socket => {
      const challenge = curve?.challenge()
      let isGreeted = curve === undefined
      onLines(socket, line => {
        if (isGreeted) return take?.(line, socket)
        const verdict = curve!.judge(challenge!, line)
        if (verdict === 'garbled') return socket.destroy()
        socket.write(`${verdict}\n`)
        if (verdict !== 'welcome') return
        isGreeted = true
        greet?.(socket)
      })
      socket.write(challenge === undefined ? `${kind} NULL\n` : `${kind} CURVE ${challenge}\n`)
      if (isGreeted) greet?.(socket)
    })
  } catch (cause) {
    error(`ZeroMQ: Failed to bind ${kind.toLowerCase()} socket ${endpoint}: ${describeError(cause)}`, SPAWN)
    fatal('Failed to spawn ZeroMQ proxy thread', SPAWN)
  }
}

/** Keeps one connection to the proxy for ever. `peer` is what must be at its other end. */
function keepLink(endpoint: string, peer: 'XPUB' | 'XSUB', curve: CurveClient | undefined, { greet, take }: End): void {
  const address = parseEndpoint(endpoint)
  if (address === undefined) fatal(`ZeroMQ: Failed to connect to ${endpoint}: Invalid argument`)
  const failed = (event: string) => `ZeroMQ: Handshake for socket ${endpoint} failed: event=${event}`
  const socket = connect(address)
  let step: 'connected' | 'responded' | 'greeted' = 'connected'
  onLines(socket, line => {
    if (step === 'greeted') return take?.(line, socket)
    if (step === 'responded' && line !== 'welcome') fatal(failed(`0x4000 value=${line}`), REFUSED)
    if (step === 'connected') {
      const [kind, mechanism, challenge = ''] = line.split(' ')
      // With real ZeroMQ: two sockets of the same kind do not shake hands.
      if (kind !== peer) fatal(`ZeroMQ: handshake failed: ${endpoint} is not the proxy's ${peer} socket`)
      if ((mechanism === 'CURVE') !== (curve !== undefined)) fatal(failed('0x2000 value=285212674'), REFUSED)
      if (curve) {
        step = 'responded'
        socket.write(`${respond(curve, challenge)}\n`)
        return
      }
    }
    step = 'greeted'
    greet?.(socket)
  })
  socket.on('error', () => {})
  // Who is gone is not known until the proxy tells so: the proxy may be what is gone.
  socket.on('close', () => {
    // Who has other keys is not understood.
    if (step === 'responded') warning(failed('0x800 value=32'), BROKEN)
    setTimeout(keepLink, RETRY_MS, endpoint, peer, curve, { greet, take })
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
