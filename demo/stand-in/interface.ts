import { existsSync } from 'node:fs'
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

/** No packets are read; the stand-in has seen one for each millisecond. */
export function packetsReceived (): number {
  return Math.floor(performance.now())
}

export function tellPackets (name: string): void {
  info(`${packetsReceived()} packets received on interface ${name.replace(/^\w+::/, '')}, ` +
    '0 (0.00%) dropped, 0 (0.00%) not processed')
}
