import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import type { Logger } from 'pino'
import { AppError, messageOf } from '../errors.js'
import type { CertificateAuthority } from '../security/certificate-authority.js'
import { certificatesIn } from '../security/fingerprint.js'
import { endOf, renewalOf } from '../security/lifetime.js'
import { environmentName } from '../settings.js'
import { writeFileAtomically } from '../util.js'
import { hasOwnCertificate } from './authority-config.js'
import type { ControllerSettings } from './config.js'

/** The longest time between two looks at the controller's own certificate, in milliseconds. */
const lookMs = 3_600_000

/**
 * Opens the authority of the settings, with the certificate that it gives the controller; one of its own is made at the
 * first start. Returns undefined where there is none. Throws an AppError that names the setting.
 */
export async function openIssuing(
  settings: ControllerSettings,
  log: Logger,
  now: () => number
): Promise<Issuing | undefined> {
  const { controller_authority_cert: cert, controller_authority_key: key } = settings
  if (cert === undefined || key === undefined) return undefined
  // Only where it is used: what makes certificates takes a fifth of a second to load.
  const { CertificateAuthority } = await import('../security/certificate-authority.js')
  const of = async <T>(setting: string, path: string, job: () => T | Promise<T>): Promise<T> => {
    try {
      return await job()
    } catch (error) {
      throw new AppError('invalid_request', `${environmentName(setting)}: ${path}: ${messageOf(error)}`, {
        cause: error
      })
    }
  }
  if (settings.controller_authority === 'own' && !existsSync(cert)) {
    await of('management_state_dir', cert, async () =>
      writeFileAtomically(cert, await CertificateAuthority.create(`zeek-cluster ${settings.controller_name}`, now()))
    )
    log.info(`made an authority: ${cert}`)
  }
  const keyText = await of('controller_authority_key', key, () => readFileSync(key, 'utf8'))
  const authority = await of('controller_authority_cert', cert, async () =>
    CertificateAuthority.read(readFileSync(cert, 'utf8'), keyText)
  )
  const issuing = new Issuing(authority, settings, log, now)
  await issuing.keepOwn()
  return issuing
}

/** The controller's authority: it gives certificates to agents, and to the controller itself. */
export class Issuing {
  readonly authority: CertificateAuthority
  #settings: ControllerSettings
  #log: Logger
  #now: () => number
  #timer: NodeJS.Timeout | undefined

  constructor(authority: CertificateAuthority, settings: ControllerSettings, log: Logger, now: () => number) {
    this.authority = authority
    this.#settings = settings
    this.#log = log
    this.#now = now
  }

  get lifetimeMs(): number {
    return this.#settings.controller_certificate_lifetime * 1000
  }

  /** Looks after the controller's own certificate from now on. `renewed` is called with each new one. */
  open(renewed: () => void): void {
    const look = async () => {
      try {
        if (await this.keepOwn()) renewed()
      } catch (error) {
        this.#log.error(`the controller's certificate is not renewed: ${messageOf(error)}`)
      }
    }
    const again = (): void => {
      this.#timer = setTimeout(() => {
        void look().finally(() => this.#timer && again())
      }, this.#pauseMs()).unref()
    }
    again()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** How long the controller's certificate can be left alone: it may be of a time when it was to last for less long. */
  #pauseMs(): number {
    const path = this.#settings.controller_tls_cert
    const pauseMs = Math.min(lookMs, this.lifetimeMs / 10)
    if (path === undefined || !hasOwnCertificate(this.#settings)) return pauseMs
    try {
      const restMs = endOf(new X509Certificate(readFileSync(path))) - this.#now()
      return Math.max(100, Math.min(pauseMs, restMs / 10))
    } catch {
      return pauseMs
    }
  }

  /**
   * Makes the controller's own certificate, where it has one of this authority, unless that is good. Returns whether.
   */
  async keepOwn(): Promise<boolean> {
    const { controller_tls_cert: path, controller_name: name } = this.#settings
    if (path === undefined || !hasOwnCertificate(this.#settings)) return false
    const names = namesOf(this.#settings)
    if (isGood(path, { names, name, authority: this.authority, now: this.#now() })) {
      return false
    }
    const { createKey, publicKeyOf } = await import('../security/certificate-authority.js')
    const key = await createKey()
    const { certificate } = await this.authority.issue({
      publicKey: publicKeyOf(key),
      subject: { role: 'controller', name },
      names,
      lifetimeMs: this.lifetimeMs,
      now: this.#now()
    })
    await writeFileAtomically(path, `${key}${certificate}${this.authority.certificate}`)
    return true
  }
}

/** Returns whether a file holds a certificate of the authority for these names, which is not to be renewed yet. */
function isGood(
  path: string,
  { names, name, authority, now }: { names: string[]; name: string; authority: CertificateAuthority; now: number }
): boolean {
  try {
    const text = readFileSync(path, 'utf8')
    const own = new X509Certificate(certificatesIn(text)[0]!)
    return (
      own.checkPrivateKey(createPrivateKey(text)) &&
      own.verify(new X509Certificate(authority.certificate).publicKey) &&
      own.subject === `O=controller\nCN=${name}` &&
      own.subjectAltName?.split(', ').length === names.length &&
      names.every(one => (isIP(one) === 0 ? own.checkHost(one) : own.checkIP(one)) !== undefined) &&
      renewalOf(own) > now
    )
  } catch {
    return false
  }
}

/** Returns the names and addresses under which clients and agents may reach the controller. */
function namesOf(settings: ControllerSettings): string[] {
  const addresses = [settings.controller_addr, settings.controller_websocket_addr].flatMap(address =>
    /^[0.:]+$/.test(address)
      ? Object.values(networkInterfaces()).flatMap(some => (some ?? []).map(one => one.address))
      : [address]
  )
  const hosts = settings.controller_hosts.split(',').map(host => host.trim())
  const all = ['localhost', '127.0.0.1', '::1', hostname(), ...hosts, ...addresses]
  // An address with a zone means something else on each host.
  return [...new Set(all.map(one => one.toLowerCase()))].filter(one => /^[\w.:-]+$/.test(one)).sort()
}
