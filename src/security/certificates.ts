import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import {
  createSecureContext,
  TLSSocket,
  type ConnectionOptions,
  type SecureContextOptions,
  type Server
} from 'node:tls'
import { Labels } from '../../schemas/groups.js'
import { checker } from '../../schemas/validator.js'
import { AppError, invalid, messageOf } from '../errors.js'
import { environmentName } from '../settings.js'
import { checkController } from './check-controller.js'
import { certificatesIn, fingerprintOfCertificate } from './fingerprint.js'

type Side = 'controller' | 'agent'
type Part = 'cert' | 'key' | 'ca' | 'pin'
type Options = SecureContextOptions & Pick<ConnectionOptions, 'checkServerIdentity'>
type Files = Partial<Record<`${Side}_tls_${Part}` | 'controller_authority_cert', string>>

/**
 * The identity in a certificate: as in Kubernetes, the organization (O) is the role and the common name (CN) the name.
 */
export interface Bearer {
  name: string
  role: string
  /** The organizational units (OU). */
  units?: string[]
  /** Milliseconds since 1970. */
  expires: number
  /** The number that its authority has given the certificate: hexadecimal digits in upper case. */
  serial?: string
}

/**
 * What one side needs for TLS: its certificate and key, and the authorities (CA) that the other side's certificates are
 * checked against. Read from the files (PEM) that the settings name, and again on reload().
 */
export class Certificates {
  #side: Side
  #files: Files
  #servers = new Set<Server>()
  #options!: Options
  #own: X509Certificate | undefined
  #shown: readonly string[] = []

  /** Throws an AppError that names the setting. */
  constructor(side: Side, files: Files) {
    this.#side = side
    this.#files = files
    this.reload()
  }

  /** Returns undefined where no setting requires TLS. */
  static of(side: Side, settings: Files): Certificates | undefined {
    return (['cert', 'key', 'ca', 'pin'] as const).some(part => settings[`${side}_tls_${part}`] !== undefined)
      ? new Certificates(side, settings)
      : undefined
  }

  /**
   * Options for `tls.connect` and for servers. A server requests a client certificate where there is an authority to
   * check it, and decides later.
   */
  get options(): Options & { requestCert: boolean } {
    return { ...this.#options, requestCert: this.#options.ca !== undefined }
  }

  /** When our own certificate expires, in milliseconds since 1970; undefined where there is none. */
  get expires(): number | undefined {
    return this.#own && Date.parse(this.#own.validTo)
  }

  /** The fingerprint of the last certificate that we show: its authority's, where this is in the file. */
  get fingerprint(): string | undefined {
    return this.#shown.length === 0 ? undefined : fingerprintOfCertificate(this.#shown.at(-1)!)
  }

  /** Returns whether our own certificate is valid for this name. */
  isFor(host: string): boolean {
    // OpenSSL takes ".example.org" for every name under it.
    return /^[\w-]+(\.[\w-]+)*$/.test(host) && this.#own?.checkHost(host) !== undefined
  }

  /** Makes a server use reloaded files for its new connections. */
  serve(server: Server): void {
    this.#servers.add(server)
    server.once('close', () => this.#servers.delete(server))
  }

  /** Reads the files again. Throws an AppError that names the setting; the files read before then stay in use. */
  reload(): void {
    const [cert, key, trusted] = [this.#read('cert'), this.#read('key'), this.#trusted()]
    const name = (part: Part) => environmentName(`${this.#side}_tls_${part}`)
    if ((cert === undefined) !== (key === undefined)) {
      throw new AppError('invalid_request', `${name('cert')} and ${name('key')} need each other`)
    }
    if (this.#side === 'controller' && !cert) {
      throw new AppError('invalid_request', `${name('ca')} needs ${name('cert')}`)
    }
    if (this.#side === 'agent' && !trusted) {
      throw new AppError('invalid_request', `${name('cert')} needs ${name('ca')}: the authority of the controller`)
    }
    const options: Options = {
      minVersion: 'TLSv1.2',
      ...(cert && key ? { cert: cert.text, key: key.text } : {}),
      ...trusted
    }
    try {
      createSecureContext(options)
    } catch (error) {
      throw new AppError('invalid_request', `${name('cert')} and ${name('key')}: ${messageOf(error)}`, { cause: error })
    }
    this.#options = options
    this.#own = cert?.certificate
    this.#shown = cert ? certificatesIn(String(cert.text)) : []
    for (const server of this.#servers) server.setSecureContext(options)
  }

  /** Returns the options by which the other side is known; undefined where nothing says how. */
  #trusted(): Options | undefined {
    const pin = this.#read('pin')
    if (pin) {
      return exactly(pin.text, 'the controller shows another certificate than that of ZEEK_AGENT_TLS_PIN')
    }
    const own = this.#side === 'controller' ? this.#read('authority') : undefined
    // The file of our own may hold its key, too.
    const ca = [this.#read('ca')?.text, ...(own ? certificatesIn(String(own.text)) : [])].filter(
      authority => authority !== undefined
    )
    return ca.length > 0 ? { ca, checkServerIdentity: checkController } : undefined
  }

  #read(part: Part | 'authority'): { text: Buffer; certificate: X509Certificate | undefined } | undefined {
    const setting = part === 'authority' ? 'controller_authority_cert' : (`${this.#side}_tls_${part}` as const)
    const path = this.#files[setting]
    if (path === undefined) return undefined
    try {
      const text = readFileSync(path)
      // A bad authority would otherwise only be noticed when it is needed.
      return { text, certificate: part === 'key' ? undefined : new X509Certificate(text) }
    } catch (error) {
      throw new AppError('invalid_request', `${environmentName(setting)}: ${path}: ${messageOf(error)}`, {
        cause: error
      })
    }
  }
}

/**
 * Returns options that trust exactly this certificate (PEM), and nothing that it, or a later certificate in the text,
 * has signed. `otherwise`: what to say of another one.
 */
export function exactly(text: string | Buffer, otherwise: string): Options {
  const certificate = new X509Certificate(text)
  return {
    ca: text,
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, { raw }) => (certificate.raw.equals(raw) ? undefined : new Error(otherwise))
  }
}

const checkLabels = checker(Labels, invalid)

/**
 * Returns the labels that the organizational units of a client are, each as `site=berlin`; undefined where there are
 * none. Throws `forbidden` for one that is no label, or says otherwise than another: what was to limit must not be
 * passed over.
 */
export function labelsIn({ name, units = [] }: Pick<Bearer, 'name' | 'units'>): Labels | undefined {
  if (units.length === 0) return undefined
  const labels = new Map<string, string>()
  for (const unit of units) {
    const [, label, value] = /^([^=]+)=(.+)$/s.exec(unit) ?? []
    if (label === undefined || value === undefined || (labels.get(label) ?? value) !== value) {
      throw new AppError('forbidden', `the certificate of ${name} has units (OU) that are not labels as site=berlin`)
    }
    labels.set(label, value)
  }
  try {
    return checkLabels(Object.fromEntries(labels), 'OU')
  } catch (error) {
    throw new AppError('forbidden', `the certificate of ${name}: ${messageOf(error)}`, { cause: error })
  }
}

/** Returns who opened this connection, by a certificate of our authority; undefined without one. */
export function bearerOf({ socket }: Pick<IncomingMessage, 'socket'>): Bearer | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject, valid_to: expires, serialNumber: serial } = socket.getPeerCertificate()
  // Without a name, or with several, the certificate identifies nobody.
  if (typeof subject?.CN !== 'string') return undefined
  const { OU: units } = subject as { OU?: string | string[] }
  return {
    name: subject.CN,
    role: String(subject.O),
    ...(units === undefined ? {} : { units: [units].flat() }),
    expires: Date.parse(expires),
    serial
  }
}
