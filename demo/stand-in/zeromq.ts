import { connect, type Socket } from 'node:net'
import { readCurve, respond, sealingOf, type CurveClient, type CurveServer, type Sealing } from './curve.js'
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

/**
 * The ZeroMQ cluster backend, over TCP: of all events it carries the one with which nodes say who they are, and the
 * proxy tells everyone who is there. With keys nobody else can read it.
 */
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
    greet: link => link.say(hello(peers.name))
  })
  let before: string[] = []
  keepLink(endpoint('connect_xsub'), 'XPUB', client, {
    take: line => {
      const names = namesIn(line)
      for (const name of before) if (!names.includes(name)) peers.bye(name)
      for (const name of names) if (!before.includes(name)) peers.hello(name)
      before = names
    }
  })
}

/** The event of nodes, on the topic of one. */
const hello = (...names: string[]) => `zeek.cluster.node.${names[0] ?? ''}. Cluster::hello ${JSON.stringify(names)}`
const namesIn = (line: string) => JSON.parse(line.slice(line.indexOf('['))) as string[]

/** Who is connected with its XSUB socket says who it is; all are told to those who are connected with the other. */
async function runProxy(xpub: string, xsub: string, curve: CurveServer | undefined): Promise<void> {
  const listeners = new Set<Link>()
  const names = new Map<Link, string>()
  const tell = (link: Link): void => link.say(hello(...new Set(names.values())))
  await bind('XPUB', xpub, curve, {
    greet: link => {
      listeners.add(link)
      link.socket.on('close', () => {
        listeners.delete(link)
      })
      tell(link)
    }
  })
  await bind('XSUB', xsub, curve, {
    greet: link => {
      link.socket.on('close', () => {
        names.delete(link)
        listeners.forEach(tell)
      })
    },
    take: (line, link) => {
      names.set(link, namesIn(line)[0]!)
      listeners.forEach(tell)
    }
  })
}

/** A connection whose ends have shaken hands: what they say is sealed where they have keys. */
class Link {
  readonly socket: Socket
  readonly #sealing: Sealing | undefined

  constructor(socket: Socket, sealing?: Sealing) {
    this.socket = socket
    this.#sealing = sealing
  }

  say(line: string): void {
    this.socket.write(`${this.#sealing?.out.seal(line) ?? line}\n`)
  }

  /** Returns what was said in a line that has come. */
  hear(line: string): string {
    return this.#sealing?.in.open(line) ?? line
  }
}

/** What one end of a connection does once the two have shaken hands, and with each line after that. */
interface End {
  greet?: (link: Link) => void
  take?: (line: string, link: Link) => void
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
      let link = curve === undefined ? new Link(socket) : undefined
      onLines(socket, line => {
        if (link) return take?.(link.hear(line), link)
        const verdict = curve!.judge(challenge!, line)
        if (verdict === 'garbled') return socket.destroy()
        if (verdict === '400') return socket.write(`${verdict}\n`)
        socket.write('welcome\n')
        link = new Link(socket, verdict)
        greet?.(link)
      })
      socket.write(challenge === undefined ? `${kind} NULL\n` : `${kind} CURVE ${challenge}\n`)
      if (link) greet?.(link)
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
  let [link, sealing]: [Link?, Sealing?] = []
  onLines(socket, line => {
    if (link) return take?.(link.hear(line), link)
    if (sealing) {
      if (line !== 'welcome') fatal(failed(`0x4000 value=${line}`), REFUSED)
    } else {
      const [kind, mechanism, challenge = ''] = line.split(' ')
      // With real ZeroMQ: two sockets of the same kind do not shake hands.
      if (kind !== peer) fatal(`ZeroMQ: handshake failed: ${endpoint} is not the proxy's ${peer} socket`)
      if ((mechanism === 'CURVE') !== (curve !== undefined)) fatal(failed('0x2000 value=285212674'), REFUSED)
      if (curve) {
        sealing = sealingOf(curve, challenge)
        socket.write(`${respond(curve, challenge)}\n`)
        return
      }
    }
    link = new Link(socket, sealing)
    greet?.(link)
  })
  socket.on('error', () => {})
  // Who is gone is not known until the proxy tells so: the proxy may be what is gone.
  socket.on('close', () => {
    // Who has other keys is not understood.
    if (sealing && !link) warning(failed('0x800 value=32'), BROKEN)
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
