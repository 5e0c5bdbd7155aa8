import { existsSync } from 'node:fs'
import { readMisbehaviour } from './misbehaviour.js'
import { fatal, info, reportTime } from './report.js'

/** Opens the interface of "-i", which may begin with a packet source: "af_packet::eth0". */
export function openInterface(name: string): void {
  const device = name.replace(/^\w+::/, '')
  if (!/^[^/\s]+$/.test(device) || !existsSync(`/sys/class/net/${device}`)) {
    fatal(`problem with interface ${name} (pcap_error: No such device exists (pcap_activate))`)
  }
  info(`listening on ${device}\n`)
  reportTime()
}

const counted = { at: Date.now(), received: 0, dropped: 0 }
/** Packets come in a burst each second to all who see the same. */
const BURST_MS = 1000

/**
 * No packets are read; about one has come for each millisecond, as chance spreads them over workers. What the stand-in
 * is told of them counts from the last look on.
 */
export function countPackets(): { received: number; dropped: number } {
  const { deaf, duplicate, drop = 0, heavy = 1 } = readMisbehaviour()
  const now = Date.now()
  const came = deaf ? 0 : heavy * (duplicate ? bursts(counted.at, now) : share(counted.at, now))
  counted.at = now
  const lost = (came * Math.min(drop, 100)) / 100
  counted.dropped += lost
  counted.received += came - lost
  return { received: Math.floor(counted.received), dropped: Math.floor(counted.dropped) }
}

/** Whoever looks at about the same time has counted the same. */
function bursts(from: number, to: number): number {
  return Math.max(0, Math.floor(to / BURST_MS) - Math.floor(from / BURST_MS)) * BURST_MS
}

/** Of what comes to the interface in this time: no two workers get the same. */
function share(from: number, to: number): number {
  return Math.max(0, to - from) * (0.8 + 0.4 * Math.random())
}

export function tellPackets(name: string): void {
  const { received, dropped } = countPackets()
  const percent = dropped === 0 ? 0 : (100 * dropped) / (received + dropped)
  info(
    `${received} packets received on interface ${name.replace(/^\w+::/, '')}, ` +
      `${dropped} (${percent.toFixed(2)}%) dropped, 0 (0.00%) not processed`
  )
}
