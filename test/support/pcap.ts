const [fileHeader, packetHeader] = [24, 16]

/** Returns a pcap file with a packet of UDP in each of so many connections. */
export function pcapOf(connections: number): Buffer {
  const file = Buffer.alloc(fileHeader)
  file.writeUInt32LE(0xa1b2c3d4, 0)
  file.writeUInt16LE(2, 4)
  file.writeUInt16LE(4, 6)
  file.writeUInt32LE(65_535, 16)
  file.writeUInt32LE(1, 20)
  return Buffer.concat([file, ...Array.from({ length: connections }, (_, n) => packetOf(n))])
}

function packetOf(n: number): Buffer {
  const ethernet = Buffer.from('0200000000010200000000020800', 'hex')
  const ip = Buffer.from('4500001c00010000401100000a0000010a000002', 'hex')
  const udp = Buffer.alloc(8)
  udp.writeUInt16BE(40_000 + n, 0)
  udp.writeUInt16BE(53, 2)
  udp.writeUInt16BE(8, 4)
  const header = Buffer.alloc(packetHeader)
  header.writeUInt32LE(1_700_000_000 + n, 0)
  const length = ethernet.length + ip.length + udp.length
  header.writeUInt32LE(length, 8)
  header.writeUInt32LE(length, 12)
  return Buffer.concat([header, ethernet, ip, udp])
}

/** What one end of a connection of TCP has sent to the other, in the order in which it was seen. */
export interface Flow {
  from: number
  to: number
  sent: string
}

/** Returns what a pcap file has of TCP over IPv4 and Ethernet: the ports, and the bytes (latin1). */
export function flowsIn(file: Buffer): Flow[] {
  const flows = new Map<string, Flow>()
  for (let at = fileHeader; at + packetHeader <= file.length;) {
    const length = file.readUInt32LE(at + 8)
    const packet = file.subarray(at + packetHeader, at + packetHeader + length)
    at += packetHeader + length
    const [isIp, ip] = [packet.readUInt16BE(12) === 0x0800, packet.subarray(14)]
    if (!isIp || ip[9] !== 6) continue
    const tcp = ip.subarray((ip[0]! & 0x0f) * 4, ip.readUInt16BE(2))
    const [from, to] = [tcp.readUInt16BE(0), tcp.readUInt16BE(2)]
    const key = `${ip.toString('hex', 12, 20)} ${from} ${to}`
    const flow = flows.get(key) ?? { from, to, sent: '' }
    flow.sent += tcp.toString('latin1', (tcp[12]! >> 4) * 4)
    flows.set(key, flow)
  }
  return [...flows.values()]
}
