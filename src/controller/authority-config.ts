import { join } from 'node:path'
import { Type, type Static, type TObject } from '@sinclair/typebox'
import { AppError } from '../errors.js'
import { File, Seconds } from '../settings.js'

/** The settings of a controller that makes certificates. */
export const authoritySettings = {
  controller_authority: Type.Unsafe<'none' | 'own'>({
    type: 'string',
    enum: ['none', 'own'],
    default: 'none',
    description:
      'own: the controller makes an authority, in the state directory, which gives certificates to hosts that join, and to itself where controller_tls_cert is not set'
  }),
  controller_authority_cert: File('the certificate (PEM) of an authority of yours that does the same'),
  controller_authority_key: File('the key (PEM) of that authority: ECDSA on a NIST curve, or RSA'),
  controller_certificate_lifetime: Seconds({
    default: 2_592_000,
    minimum: 5,
    maximum: 315_360_000,
    description: 'seconds that the certificates are good which it makes; they are renewed after two thirds'
  })
}

interface Settings extends Static<TObject<typeof authoritySettings>> {
  management_state_dir: string
  controller_authentication: 'none' | 'token'
  controller_tls_cert?: string
  controller_tls_key?: string
  controller_tls_by_proxy: boolean
  controller_nats?: string
}

const ownCertificateIn = ({ management_state_dir: directory }: Settings) => join(directory, 'controller.pem')

/**
 * Returns the settings that follow from those of the authority: where its own files are, and those of the certificate
 * that it gives the controller. Each holds key and certificate, so that no crash can leave one without the other.
 */
export function withAuthority<S extends Settings>(settings: S): Partial<S> {
  const derived: Partial<Settings> = {}
  if (settings.controller_authority === 'own' && settings.controller_authority_cert === undefined) {
    const file = join(settings.management_state_dir, 'authority.pem')
    derived.controller_authority_cert = derived.controller_authority_key = file
  }
  if ((settings.controller_authority_cert ?? derived.controller_authority_cert) === undefined) return {}
  if (settings.controller_tls_cert === undefined) {
    derived.controller_tls_cert = derived.controller_tls_key = ownCertificateIn(settings)
  }
  return derived as Partial<S>
}

/** Returns whether the controller shows a certificate of its authority, which it renews. */
export const hasOwnCertificate = (settings: Settings): boolean =>
  settings.controller_authority_cert !== undefined && settings.controller_tls_cert === ownCertificateIn(settings)

/** Throws an AppError that names the setting when the settings of the authority cannot work. */
export function refuseAuthority(settings: Settings): void {
  const { controller_authority: kind, controller_authority_cert: cert, controller_authority_key: key } = settings
  const refuse = (why: string) => {
    throw new AppError('invalid_request', why)
  }
  if ((cert === undefined) !== (key === undefined)) {
    refuse('ZEEK_CONTROLLER_AUTHORITY_CERT and ZEEK_CONTROLLER_AUTHORITY_KEY need each other')
  }
  if (cert === undefined) return
  if (kind === 'own' && cert !== join(settings.management_state_dir, 'authority.pem')) {
    refuse('ZEEK_CONTROLLER_AUTHORITY=own makes an authority: ZEEK_CONTROLLER_AUTHORITY_CERT names another one')
  }
  if (kind === 'own' && settings.controller_nats !== undefined) {
    refuse(
      'ZEEK_CONTROLLER_AUTHORITY=own would give each of several controllers an authority of its own: give all of them the same ZEEK_CONTROLLER_AUTHORITY_CERT and ZEEK_CONTROLLER_AUTHORITY_KEY'
    )
  }
  if (settings.controller_authentication === 'none') {
    refuse(
      'an authority needs ZEEK_CONTROLLER_AUTHENTICATION=token: without authentication, no certificate is looked at'
    )
  }
  if (settings.controller_tls_by_proxy) {
    refuse(
      "an authority excludes ZEEK_CONTROLLER_TLS_BY_PROXY: agents' certificates would not come further than the proxy"
    )
  }
}
