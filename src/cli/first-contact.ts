import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect, type ConnectionOptions, type DetailedPeerCertificate } from 'node:tls'
import { exitCodes, Failure } from '../client/failure.js'
import { failureOfNetwork } from '../client/remedies.js'
import { exactly } from '../security/certificates.js'
import { fingerprintOfCertificate } from '../security/fingerprint.js'
import { hostOf } from '../util.js'

const handshakeMs = 10_000

/** What a controller is known by from now on. */
export interface Trust {
  /** The certificate, PEM. */
  certificate: string
  fingerprint: string
  /** What `tls.connect` needs to take nobody else for the controller. */
  tls: ConnectionOptions
  /** Whether it is the controller's own certificate, and not that of an authority. */
  isOwn: boolean
}

/**
 * Returns the certificates that a controller shows, its own first, without trusting it in any way; nothing is sent to
 * it. Throws a Failure when it is not reached.
 */
export async function certificatesOf(url: string, signal: AbortSignal): Promise<[Trust, ...Trust[]]> {
  const { hostname, port } = new URL(url)
  const host = hostOf(hostname)
  const socket = connect({
    host,
    port: port === '' ? 443 : Number(port),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    // Who it is is decided by what is shown, before anything is sent.
    rejectUnauthorized: false
  })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.any([signal, AbortSignal.timeout(handshakeMs)]) })
    const shown: Trust[] = []
    let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
    const seen = new Set<string>()
    while (next?.raw !== undefined && !seen.has(next.fingerprint256)) {
      seen.add(next.fingerprint256)
      shown.push(trusting(next.raw, shown.length === 0))
      next = next.issuerCertificate
    }
    const [own, ...others] = shown
    if (!own) throw new Error('it shows no certificate')
    return [own, ...others]
  } catch (error) {
    if (signal.aborted) throw error
    throw failureOfNetwork(error, url)
  } finally {
    socket.destroy()
  }
}

/**
 * Returns the certificate with a fingerprint among those that a controller shows. Throws a Failure with what it shows.
 */
export function withFingerprint(url: string, shown: readonly Trust[], fingerprint: string): Trust {
  const found = shown.find(one => one.fingerprint === fingerprint)
  if (found) return found
  const those = shown.map(one => one.fingerprint).join(', ')
  throw new Failure(
    exitCodes.unavailable,
    `${url} is not the controller with the fingerprint ${fingerprint}: it shows ${those}. Nothing was sent to it`
  )
}

function trusting(der: Buffer, isOwn: boolean): Trust {
  const lines = der
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd()
  const certificate = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
  const tls = isOwn
    ? exactly(certificate, 'the controller shows another certificate than before')
    : { ca: certificate, allowPartialTrustChain: true }
  return { certificate, fingerprint: fingerprintOfCertificate(der), tls, isOwn }
}
