import { existsSync } from 'node:fs'
import { readMisbehaviour } from './misbehaviour.js'
import { fatal, info, reportTime } from './report.js'

/** Opens the interface of "-i", which may begin with a packet source: "af_packet::eth0". */
export function openInterface (name: string): void {
  const device = name.replace(/^\w+::/, '')
  if (!/^[^/\s]+$/.test(device) || !existsSync(`/sys/class/net/${device}`)) {
    fatal(`problem with interface ${name} (pcap_error: No such device exists (pcap_activate))`)
  }
  info(`listening on ${device}\n`)
  reportTime()
}

const counted = { at: 0, received: 0, dropped: 0 }

/** No packets are read; one has come for each millisecond. What the stand-in is told of them counts from the last look on. */
export function countPackets (): { received: number, dropped: number } {
  const { deaf, drop = 0 } = readMisbehaviour()
  const now = performance.now()
  const came = deaf ? 0 : now - counted.at
  counted.at = now
  const lost = came * Math.min(drop, 100) / 100
  counted.dropped += lost
  counted.received += came - lost
  return { received: Math.floor(counted.received), dropped: Math.floor(counted.dropped) }
}

export function tellPackets (name: string): void {
  const { received, dropped } = countPackets()
  const percent = dropped === 0 ? 0 : 100 * dropped / (received + dropped)
  info(`${received} packets received on interface ${name.replace(/^\w+::/, '')}, ` +
    `${dropped} (${percent.toFixed(2)}%) dropped, 0 (0.00%) not processed`)
}
