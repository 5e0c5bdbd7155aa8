import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { misbehave, readMisbehaviour } from './misbehaviour.js'
import type { Options } from './options.js'
import { fatal } from './report.js'
import { textOf } from './system-error.js'

const SUFFIX = process.env['ZEEK_LOG_SUFFIX'] ?? 'log'
/** Of the file, and of each packet, in bytes. */
const HEADERS = { magic: 4, file: 24, packet: 16 }
const ETHERNET = { link: 1, header: 14, ipv4: 0x0800 }
const PROTOCOLS: Record<number, string> = { 6: 'tcp', 17: 'udp' }

interface Packet {
  seconds: number
  data: Buffer
}

/**
 * Reads a trace file, writes a line of conn.log for each connection of IPv4 in it, and ends. `disabled`: the modules
 * whose log is not written.
 */
export async function readTrace(path: string, disabled: ReadonlySet<string>, options: Options): Promise<never> {
  const bytes = contentOf(path)
  const misbehaviour = readMisbehaviour()
  misbehave(misbehaviour)
  if (misbehaviour.slow !== undefined) await sleep(misbehaviour.slow)
  if (misbehaviour.hang) await new Promise(() => setInterval(() => {}, 2 ** 30))
  const directory = options.get('Log::default_logdir') || '.'
  const log = (module: string, name: string, fields: string, lines: readonly string[]): void => {
    if (disabled.has(module)) return
    const text = [`#separator \\x09`, `#path\t${name}`, `#fields\t${fields}`, ...lines, '']
    writeFileSync(join(directory, `${name}.${SUFFIX}`), text.join('\n'))
  }
  log('PacketFilter', 'packet_filter', 'ts\tnode\tfilter\tinit\tsuccess', [
    `${Date.now() / 1000}\tzeek\tip or not ip\tT\tT`
  ])
  const lines = new Map<string, string>()
  for (const { seconds, data } of packetsOf(bytes, path)) {
    const { key, text } = connectionOf(data) ?? {}
    if (key !== undefined && !lines.has(key)) lines.set(key, `${seconds.toFixed(6)}\t${text}`)
  }
  const fields = 'ts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto'
  if (lines.size > 0) log('Conn', 'conn', fields, [...lines.values()])
  process.exit(0)
}

/** Returns a file that begins as a trace does; ends, in Zeek's words, when it does not. */
function contentOf(path: string): Buffer {
  const refuse = (why: string): never => fatal(`problem with trace file ${path} (${why})`)
  let bytes: Buffer
  try {
    bytes = readFileSync(path === '-' ? 0 : path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return refuse(
      code === 'EISDIR' ? 'error reading dump file: Is a directory' : `unable to open ${path}: ${textOf(error)}`
    )
  }
  const truncated = (wanted: number, got: number): never =>
    refuse(`truncated dump file; tried to read ${wanted} file header bytes, only got ${got}`)
  if (bytes.length < HEADERS.magic) truncated(HEADERS.magic, bytes.length)
  if (orderOf(bytes) === undefined) refuse('unknown file format')
  if (bytes.length < HEADERS.file) truncated(HEADERS.file, bytes.length - HEADERS.magic)
  return bytes
}

/** The order of the bytes of its numbers, and how many parts its seconds have. */
function orderOf(bytes: Buffer): { isLittle: boolean; parts: number } | undefined {
  for (const isLittle of [true, false]) {
    const magic = isLittle ? bytes.readUInt32LE(0) : bytes.readUInt32BE(0)
    if (magic === 0xa1b2c3d4) return { isLittle, parts: 1e6 }
    if (magic === 0xa1b23c4d) return { isLittle, parts: 1e9 }
  }
  return undefined
}

/** Its packets, if they are of Ethernet. A file that ends within one ends Zeek, too. */
function* packetsOf(bytes: Buffer, path: string): Generator<Packet> {
  const { isLittle, parts } = orderOf(bytes)!
  const number = (at: number): number => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
  if (number(20) !== ETHERNET.link) return
  let seconds = 0
  const cut = (wanted: number, what: string, got: number): never => {
    process.stderr.write(`${seconds.toFixed(6)} `)
    fatal(
      `failed to read a packet from ${path}: truncated dump file; tried to read ${wanted} ${what} bytes, only got ${got}`
    )
  }
  for (let at: number = HEADERS.file; at < bytes.length;) {
    const rest = bytes.length - at
    if (rest < HEADERS.packet) cut(HEADERS.packet, 'header', rest)
    const length = number(at + 8)
    if (rest - HEADERS.packet < length) cut(length, 'captured', rest - HEADERS.packet)
    seconds = number(at) + number(at + 4) / parts
    at += HEADERS.packet
    yield { seconds, data: bytes.subarray(at, at + length) }
    at += length
  }
}

/** Addresses and ports of a packet: `key` is the same in both directions. */
function connectionOf(data: Buffer): { key: string; text: string } | undefined {
  const ip = data.subarray(ETHERNET.header)
  if (ip.length < 20 || data.readUInt16BE(12) !== ETHERNET.ipv4) return undefined
  const protocol = PROTOCOLS[ip[9]!]
  const segment = ip.subarray((ip[0]! & 15) * 4)
  if (protocol === undefined || segment.length < 4) return undefined
  const ends = [0, 1].map(n => `${ip.subarray(12 + 4 * n, 16 + 4 * n).join('.')}\t${segment.readUInt16BE(2 * n)}`)
  return { key: [protocol, ...ends.toSorted()].join(' '), text: [...ends, protocol].join('\t') }
}
