import { connect } from 'node:net'
import { parseEndpoint } from './endpoint.js'
import type { Membership } from './membership.js'
import { fatal } from './report.js'

const RETRY_MS = 100

/** Keeps one connection to the proxy for ever. `peer` is what must be at its other end. */
export function keepLink (endpoint: string, peer: 'XPUB' | 'XSUB', membership: Membership): void {
  const address = parseEndpoint(endpoint)
  if (address === undefined) fatal(`ZeroMQ: Failed to connect to ${endpoint}: Invalid argument`)
  membership.lack(peer)
  const socket = connect(address)
  let greeting = ''
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    greeting += text
    if (!greeting.includes('\n')) return
    // With real ZeroMQ: two sockets of the same kind do not shake hands.
    if (greeting !== `${peer}\n`) fatal(`ZeroMQ: handshake failed: ${endpoint} is not the proxy's ${peer} socket`)
    membership.have(peer)
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    membership.lack(peer)
    setTimeout(keepLink, RETRY_MS, endpoint, peer, membership)
  })
}
