import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  randomBytes
} from 'node:crypto'
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
export function respond({ clientPublic, clientSecret, serverPublic }: CurveClient, challenge: string): string {
  return `${clientPublic} ${derive(secretOf(clientSecret, serverPublic), `proof ${challenge}`).toString('hex')}`
}

/** Returns how a client speaks once it is let in. */
export function sealingOf({ clientSecret, serverPublic }: CurveClient, challenge: string): Sealing {
  const secret = secretOf(clientSecret, serverPublic)
  return { out: new Seal(secret, `client ${challenge}`), in: new Seal(secret, `server ${challenge}`) }
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

  /**
   * What becomes of a client: one that means another server is not understood, one of another key is not let in, and
   * with others it is spoken so.
   */
  judge(challenge: string, response: string): Sealing | '400' | 'garbled' {
    const [client = '', given] = response.split(' ')
    if (client.length !== 40) return 'garbled'
    const secret = secretOf(this.#secret, client)
    if (derive(secret, `proof ${challenge}`).toString('hex') !== given) return 'garbled'
    if (client !== this.#allowed) return '400'
    return { out: new Seal(secret, `server ${challenge}`), in: new Seal(secret, `client ${challenge}`) }
  }
}

/** The two directions of a connection, as one of its ends sees them. */
export interface Sealing {
  out: Seal
  in: Seal
}

/** One direction of a connection: nobody without the keys reads, or writes, what is said there. */
export class Seal {
  readonly #key: Buffer
  #count = 0

  constructor(secret: Buffer, what: string) {
    this.#key = derive(secret, what)
  }

  seal(line: string): string {
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce())
    return Buffer.concat([cipher.update(line, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64')
  }

  /** Throws for what was not sealed at the other end, as the next line. */
  open(sealed: string): string {
    const bytes = Buffer.from(sealed, 'base64')
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce())
    decipher.setAuthTag(bytes.subarray(-16))
    return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString('utf8')
  }

  #nonce(): Buffer {
    const nonce = Buffer.alloc(12)
    nonce.writeUInt32BE(this.#count++, 8)
    return nonce
  }
}

/** Returns what only the two ends know: of one the secret key, of the other the public one. */
function secretOf(own: string, others: string): Buffer {
  return diffieHellman({
    privateKey: createPrivateKey({ key: Buffer.concat([PRIVATE, decode(own)]), format: 'der', type: 'pkcs8' }),
    publicKey: createPublicKey({ key: Buffer.concat([PUBLIC, decode(others)]), format: 'der', type: 'spki' })
  })
}

const derive = (secret: Buffer, what: string): Buffer => createHmac('sha256', secret).update(what).digest()

function decode(text: string): Buffer {
  const bytes = Buffer.alloc((text.length / 5) * 4)
  for (let at = 0; at < text.length; at += 5) {
    const word = [...text.slice(at, at + 5)].reduce((sum, character) => sum * 85 + Z85.indexOf(character), 0)
    bytes.writeUInt32BE(word % 2 ** 32, (at / 5) * 4)
  }
  return bytes
}
