import { generateKeyPairSync } from 'node:crypto'
import type { CurveKeys } from '../../schemas/agent.js'

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/**
 * Returns bytes, a multiple of four, in Z85 (https://rfc.zeromq.org/spec/32/): five characters for each four of them.
 */
export function z85(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.readUInt32BE(at)
    for (let power = 85 ** 4; power >= 1; power /= 85) text += alphabet[Math.floor(word / power) % 85]
  }
  return text
}

/** Makes keys for a cluster: CURVE's are those of X25519. */
export function createCurveKeys(): CurveKeys {
  const [server, client] = [pair(), pair()]
  return {
    server_publickey: server.publickey,
    server_secretkey: server.secretkey,
    client_publickey: client.publickey,
    client_secretkey: client.secretkey
  }
}

function pair() {
  const { x, d } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' })
  return { publickey: z85(Buffer.from(x!, 'base64url')), secretkey: z85(Buffer.from(d!, 'base64url')) }
}
