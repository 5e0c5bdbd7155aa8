import { readdir, readFile, readlink } from 'node:fs/promises'
import { readStat } from '../../proc.js'

/** A TCP socket that listens on this host. */
export interface Listener {
  /** IPv4 address, or IPv6 address in full (32 hexadecimal digits). */
  address: string
  port: number
  /** Process that holds the socket, and its ancestors. Undefined when it cannot be seen: a process of another user. */
  holder?: { pid: number; name: string; ancestors: number[] }
}

/** Returns whether a listener keeps another from listening at `host`. */
export function isInTheWay({ address }: Listener, host: string): boolean {
  // Whether a listener on all IPv6 addresses leaves those of IPv4 free cannot be seen; few do.
  return address === '0.0.0.0' || /^0+$/.test(address) || address === normal(host)
}

/** What is ours on this host: processes, and ports at which one of ours may listen without being seen as the holder. */
export interface Own {
  pids: ReadonlySet<number>
  ports: ReadonlySet<number>
}

/**
 * Returns whether a listener is ours. Its holder cannot be seen, either, where a zeek has capabilities that its agent
 * lacks: then the port decides.
 */
export function isOurs({ port, holder }: Listener, { pids, ports }: Own): boolean {
  return holder === undefined ? ports.has(port) : [holder.pid, ...holder.ancestors].some(pid => pids.has(pid))
}

/** Returns the listeners on the given ports, or all listeners when no ports are given. */
export async function listenersOn(ports?: ReadonlySet<number>): Promise<Listener[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map(name => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  const found = tables.flatMap(text => parseTable(text)).filter(({ port }) => ports?.has(port) ?? true)
  const holders =
    found.length === 0 ? new Map<string, number>() : await holdersOf(new Set(found.map(({ inode }) => inode)))
  return await Promise.all(
    found.map(async ({ inode, ...listener }) => {
      const pid = holders.get(inode)
      return { ...listener, ...(pid === undefined ? {} : { holder: { pid, ...(await describe(pid)) } }) }
    })
  )
}

/** Returns the listening sockets of /proc/net/tcp or tcp6. */
export function parseTable(text: string): { address: string; port: number; inode: string }[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
      const [host, port] = local?.split(':') ?? []
      // 0A: TCP_LISTEN
      return state === '0A' && host && port && inode
        ? [{ address: inOrder(host), port: Number.parseInt(port, 16), inode }]
        : []
    })
}

/** Formats an address that is given as words of four bytes, each in the byte order of the processor. */
function inOrder(hex: string): string {
  const bytes = hex.match(/.{8}/g)!.map(word => Buffer.from(word, 'hex').reverse())
  return hex.length === 8 ? [...bytes[0]!].join('.') : textOf(Buffer.concat(bytes))
}

/** Formats an address; an IPv4 address that is written as IPv6 becomes IPv4. */
const textOf = (bytes: Buffer) =>
  /^0{20}ffff/.test(bytes.toString('hex')) ? [...bytes.subarray(12)].join('.') : bytes.toString('hex')

function normal(host: string): string {
  if (!host.includes(':')) return host
  const [head, tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::')
  const words = (part: string | undefined) => (part ? part.split(':').map(word => word.padStart(4, '0')) : [])
  const [before, after] = [words(head), words(tail)]
  return textOf(
    Buffer.from([...before, ...Array<string>(8 - before.length - after.length).fill('0000'), ...after].join(''), 'hex')
  )
}

async function holdersOf(inodes: ReadonlySet<string>): Promise<Map<string, number>> {
  const holders = new Map<string, number>()
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    // The process has ended meanwhile, or belongs to another user.
    const files = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const target of await Promise.all(files.map(file => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')))) {
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
      if (inode !== undefined && inodes.has(inode) && !holders.has(inode)) holders.set(inode, Number(pid))
    }
    if (holders.size === inodes.size) break
  }
  return holders
}

async function describe(pid: number): Promise<{ name: string; ancestors: number[] }> {
  const ancestors: number[] = []
  let name = 'unknown'
  for (let next = pid; next > 1 && ancestors.length < 64;) {
    const stat = await readStat(next)
    if (!stat) break
    if (next === pid) name = stat.comm
    else ancestors.push(next)
    next = stat.parent
  }
  return { name, ancestors }
}
