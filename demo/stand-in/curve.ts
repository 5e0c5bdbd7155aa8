import { createHmac, createPrivateKey, createPublicKey, diffieHellman, randomBytes } from 'node:crypto'
import type { Options } from './options.js'
import { fatal } from './report.js'

const OPTION = 'Cluster::Backend::ZeroMQ::curve_'
const VARIABLE = 'ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_'
const NAMES = ['server_publickey', 'server_secretkey', 'client_publickey', 'client_secretkey'] as const
const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
// What DER has before the 32 bytes of a key of X25519.
const PRIVATE = Buffer.from('302e020100300506032b656e04220420', 'hex')
const PUBLIC = Buffer.from('302a300506032b656e032100', 'hex')

type Keys = Record<(typeof NAMES)[number], string>

/** The two ends of a connection, as far as they have keys: Zeek has the two independent of each other. */
export interface Curve {
  server: CurveServer | undefined
  client: CurveClient | undefined
}

/** Reads the keys as Zeek does: of its options or of its environment. */
export function readCurve(options: Options): Curve {
  const read = (of: (name: string) => string) => Object.fromEntries(NAMES.map(name => [name, of(name)])) as Keys
  const [script, environment] = [
    read(name => options.get(OPTION + name)),
    read(name => process.env[VARIABLE + name.toUpperCase()] ?? '')
  ]
  const hasAny = (keys: Keys) => Object.values(keys).some(key => key !== '')
  if (hasAny(script) && hasAny(environment)) {
    fatal(
      'ZeroMQ CURVE configured via script variable redefinitions and environment variables at the same time.',
      '<params>, line 1'
    )
  }
  const keys = hasAny(environment) ? environment : script
  const { server_publickey: serverPublic, server_secretkey: serverSecret } = keys
  const { client_publickey: clientPublic, client_secretkey: clientSecret } = keys
  return {
    server: serverSecret && clientPublic ? new CurveServer(serverSecret, clientPublic) : undefined,
    client: serverPublic && clientPublic && clientSecret ? { serverPublic, clientPublic, clientSecret } : undefined
  }
}

export interface CurveClient {
  serverPublic: string
  clientPublic: string
  clientSecret: string
}

/** Returns what a client answers to a server's challenge: who it is, and that it knows the server. */
export function respond({ serverPublic, clientPublic, clientSecret }: CurveClient, challenge: string): string {
  return `${clientPublic} ${proof(clientSecret, serverPublic, challenge)}`
}

/** Who listens, and lets in one client key. */
export class CurveServer {
  readonly #secret: string
  readonly #allowed: string

  constructor(secret: string, allowed: string) {
    if (allowed.length !== 40) {
      fatal(`ZeroMQ/ZAP: client public key has unexpected size ${allowed.length} '${allowed}'`, '<params>, line 1')
    }
    this.#secret = secret
    this.#allowed = allowed
  }

  challenge(): string {
    return randomBytes(16).toString('hex')
  }

  /** What becomes of a client: one that means another server is not understood, and one of another key not let in. */
  judge(challenge: string, response: string): 'welcome' | '400' | 'garbled' {
    const [client = '', given] = response.split(' ')
    if (client.length !== 40 || proof(this.#secret, client, challenge) !== given) return 'garbled'
    return client === this.#allowed ? 'welcome' : '400'
  }
}

function proof(secret: string, other: string, challenge: string): string {
  const shared = diffieHellman({
    privateKey: createPrivateKey({ key: Buffer.concat([PRIVATE, decode(secret)]), format: 'der', type: 'pkcs8' }),
    publicKey: createPublicKey({ key: Buffer.concat([PUBLIC, decode(other)]), format: 'der', type: 'spki' })
  })
  return createHmac('sha256', shared).update(challenge).digest('hex')
}

function decode(text: string): Buffer {
  const bytes = Buffer.alloc((text.length / 5) * 4)
  for (let at = 0; at < text.length; at += 5) {
    const word = [...text.slice(at, at + 5)].reduce((sum, character) => sum * 85 + Z85.indexOf(character), 0)
    bytes.writeUInt32BE(word % 2 ** 32, (at / 5) * 4)
  }
  return bytes
}
